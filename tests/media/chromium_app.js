// The page's side of the test: answers an offer with a 1 kHz tone as the microphone. No getUserMedia,
// because a page that has it sees real addresses, and the test wants mDNS names in the candidates.
async (offer) => {
  const app = { candidates: [], tracks: {} };
  window.app = app;
  app.peer = new RTCPeerConnection();
  app.peer.onicecandidate = (event) => event.candidate && app.candidates.push(event.candidate.candidate);
  app.peer.ontrack = ({ track, streams }) => {
    const player = document.createElement(track.kind);
    player.autoplay = true;
    player.srcObject = streams[0];
    document.body.append(player);
    app.tracks[track.kind] = streams.length;
  };
  app.report = async () => {
    const report = { state: app.peer.connectionState, candidates: app.candidates, tracks: app.tracks };
    for (const entry of (await app.peer.getStats()).values()) {
      if (entry.type === "inbound-rtp") report[entry.kind] = entry;
      if (entry.type === "transport") report.transport = entry;
    }
    return report;
  };
  await app.peer.setRemoteDescription({ type: "offer", sdp: offer });
  const context = new AudioContext();
  const tone = new OscillatorNode(context, { frequency: 1000 });
  const microphone = context.createMediaStreamDestination();
  tone.connect(microphone);
  tone.start();
  app.peer.addTrack(microphone.stream.getAudioTracks()[0], microphone.stream);
  await app.peer.setLocalDescription(await app.peer.createAnswer());
  return app.peer.localDescription.sdp;
}
