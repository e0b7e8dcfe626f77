// Runs only where modules do not (requirement A11): written in the oldest JavaScript.
document.addEventListener("DOMContentLoaded", function () {
  document.getElementById("too-old").removeAttribute("hidden");
});
