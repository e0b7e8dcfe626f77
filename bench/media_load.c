/*
 * The far ends of many calls, in one thread: sends what a plan says, at the moment it says, and tells how late
 * everything arrived.
 *
 *     media_load PLAN PACKETS
 *
 * PLAN is text; sockets are descriptors that the caller opened and passed on:
 *
 *     run WARM_UP_MS MEASURE_MS DRAIN_MS SLOT_US
 *     socket FD
 *     script FIRST_BYTE PACKETS                     in PACKETS: records of (u64 ns from its begin, u32 length, bytes)
 *     stream FD IPV4 PORT SCRIPT PHASE_NS SSRC REPEAT_NS     SSRC 0: as the script has it; REPEAT_NS 0: once
 *     flow SSRC STREAM CLASS IS_STAMPED             what arrives with that SSRC is the stream's sound or picture
 *
 * A packet that arrives is known by its index in the payload's first four bytes (IS_STAMPED), or by its sequence
 * number, which whoever relays may shift: the shift is the least that lets no packet arrive before it was sent.
 * (So where every packet of a stream takes more than the 20 ms to the next one, it looks quicker than it is.)
 * Arrival is the kernel's own time stamp, so a late read adds nothing; sending is stamped just before the system call.
 *
 * Prints "begin" and "end" when what counts begins and ends, then one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#define BATCH 64
#define HEADER 12
#define KEPT 16
#define WHEEL (1 << 16)
#define CLASSES 8
#define MARGIN 256
#define SECOND 1000000000LL

typedef struct { int64_t offset_ns; uint32_t length; const uint8_t *bytes; } Packet;
typedef struct { Packet *packets; int count; } Script;
typedef struct {
    int fd, script, next, following, sent;
    struct sockaddr_in to;
    uint32_t ssrc;
    int64_t base_ns, repeat_ns;
    int64_t *sent_ns;
    int kept;
} Stream;
typedef struct {
    uint32_t ssrc;
    int stream, class, is_stamped, has_first, count, capacity;
    int64_t extended, shift;
    uint16_t last;
    int64_t *number, *arrived_ns;
} Flow;
typedef struct { int64_t expected, received, extra; int32_t *delays_us; int64_t count, capacity; } Class;

static Script *scripts;
static Stream *streams;
static Flow *flows;
static int script_count, stream_count, flow_count, *sockets, socket_count;
static int *wheel;
static int64_t warm_up_ns, measure_ns, drain_ns, slot_ns, unknown, rtcp_in, other_in, send_errors;
static int *table;
static uint32_t table_mask;

static void fail(const char *what) { perror(what); exit(2); }

static void *room(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fail("memory");
    return memory;
}

static void *grown(void *memory, int count, size_t size) {
    if (count & (count - 1)) return memory;
    memory = realloc(memory, (count ? 2 * (size_t)count : 1) * size);
    if (!memory) fail("memory");
    return memory;
}

static int64_t now_ns(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * SECOND + at.tv_nsec;
}

static uint32_t be32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void read_script(const uint8_t *bytes, size_t first, int count) {
    scripts = grown(scripts, script_count, sizeof *scripts);
    Script *script = &scripts[script_count++];
    script->count = count;
    script->packets = room(count, sizeof(Packet));
    const uint8_t *at = bytes + first;
    for (int n = 0; n < count; n++) {
        Packet *packet = &script->packets[n];
        memcpy(&packet->offset_ns, at, 8);
        memcpy(&packet->length, at + 8, 4);
        packet->bytes = at + 12;
        at += 12 + packet->length;
    }
}

static void read_plan(const char *path, const uint8_t *bytes) {
    FILE *file = fopen(path, "r");
    char line[256], address[64];
    if (!file) fail(path);
    while (fgets(line, sizeof line, file)) {
        long long a, b, c, d;
        int fd, port, script, stream, class, stamped;
        unsigned ssrc;
        if (sscanf(line, "run %lld %lld %lld %lld", &a, &b, &c, &d) == 4) {
            warm_up_ns = a * 1000000, measure_ns = b * 1000000, drain_ns = c * 1000000, slot_ns = d * 1000;
        } else if (sscanf(line, "socket %d", &fd) == 1) {
            sockets = grown(sockets, socket_count, sizeof *sockets);
            sockets[socket_count++] = fd;
        } else if (sscanf(line, "script %lld %lld", &a, &b) == 2) {
            read_script(bytes, (size_t)a, (int)b);
        } else if (sscanf(line, "stream %d %63s %d %d %lld %u %lld", &fd, address, &port, &script, &a, &ssrc, &b) == 7) {
            streams = grown(streams, stream_count, sizeof *streams);
            Stream *one = &streams[stream_count++];
            memset(one, 0, sizeof *one);
            one->fd = fd, one->script = script, one->ssrc = ssrc, one->base_ns = a, one->repeat_ns = b;
            one->to.sin_family = AF_INET;
            one->to.sin_port = htons((uint16_t)port);
            one->following = -1;
            one->kept = scripts[script].count;
            one->sent_ns = room(one->kept, sizeof(int64_t));
            if (inet_pton(AF_INET, address, &one->to.sin_addr) != 1) fail(address);
        } else if (sscanf(line, "flow %u %d %d %d", &ssrc, &stream, &class, &stamped) == 4) {
            flows = grown(flows, flow_count, sizeof *flows);
            Flow *one = &flows[flow_count++];
            memset(one, 0, sizeof *one);
            one->ssrc = ssrc, one->stream = stream, one->class = class, one->is_stamped = stamped;
            one->capacity = scripts[streams[stream].script].count + MARGIN;
            one->number = room(one->capacity, sizeof(int64_t));
            one->arrived_ns = room(one->capacity, sizeof(int64_t));
            one->shift = INT64_MAX;
        } else {
            fprintf(stderr, "not understood: %s", line);
            exit(2);
        }
    }
    fclose(file);
}

static void make_table(void) {
    uint32_t size = 64;
    while (size < 4 * (uint32_t)flow_count) size *= 2;
    table = room(size, sizeof *table);
    table_mask = size - 1;
    for (int n = 0; n < flow_count; n++) {
        uint32_t at = flows[n].ssrc * 2654435761u & table_mask;
        while (table[at]) at = (at + 1) & table_mask;
        table[at] = n + 1;
    }
}

static Flow *find_flow(uint32_t ssrc) {
    for (uint32_t at = ssrc * 2654435761u & table_mask; table[at]; at = (at + 1) & table_mask)
        if (flows[table[at] - 1].ssrc == ssrc) return &flows[table[at] - 1];
    return NULL;
}

static int64_t due_ns(const Stream *stream) {
    return stream->base_ns + scripts[stream->script].packets[stream->next].offset_ns;
}

static void put_on_wheel(int index, int64_t current) {
    int64_t slot = (due_ns(&streams[index]) + slot_ns - 1) / slot_ns;
    if (slot <= current) slot = current + 1;
    streams[index].following = wheel[slot % WHEEL];
    wheel[slot % WHEEL] = index;
}

static int advance(Stream *stream) {
    if (++stream->next < scripts[stream->script].count) return 1;
    stream->next = 0;
    stream->base_ns += stream->repeat_ns;
    return stream->repeat_ns > 0;
}

static struct mmsghdr out[BATCH];
static struct iovec parts[BATCH][2];
static uint8_t heads[BATCH][HEADER];
static int out_count, out_fd = -1;

static void flush(void) {
    int done = 0;
    while (done < out_count) {
        int sent = sendmmsg(out_fd, out + done, (unsigned)(out_count - done), 0);
        if (sent > 0) { done += sent; continue; }
        if (sent < 0 && errno == EINTR) continue;
        send_errors++, done++; /* an ICMP error of an earlier one, or a full buffer: this one is lost */
    }
    out_count = 0;
}

static void send_next(Stream *stream, int64_t at_ns) {
    const Packet *packet = &scripts[stream->script].packets[stream->next];
    if (out_count == BATCH || stream->fd != out_fd) flush();
    out_fd = stream->fd;
    uint32_t head = packet->length < HEADER ? packet->length : HEADER;
    memcpy(heads[out_count], packet->bytes, head);
    if (stream->ssrc && head == HEADER) {
        uint32_t ssrc = htonl(stream->ssrc);
        memcpy(heads[out_count] + 8, &ssrc, 4);
    }
    parts[out_count][0] = (struct iovec){heads[out_count], head};
    parts[out_count][1] = (struct iovec){(void *)(packet->bytes + head), packet->length - head};
    out[out_count].msg_hdr = (struct msghdr){
        .msg_name = &stream->to, .msg_namelen = sizeof stream->to, .msg_iov = parts[out_count], .msg_iovlen = 2};
    out_count++;
    stream->sent_ns[stream->next] = at_ns;
    stream->sent = stream->next;
}

static int by_socket(const void *left, const void *right) {
    return streams[*(const int *)left].fd - streams[*(const int *)right].fd;
}

static void send_due(int64_t slot) {
    static int *due, due_room;
    int count = 0;
    for (int index = wheel[slot % WHEEL]; index >= 0; index = streams[index].following) {
        if (count == due_room) due = realloc(due, sizeof *due * (size_t)(due_room = 2 * due_room + 64));
        due[count++] = index;
    }
    wheel[slot % WHEEL] = -1;
    qsort(due, (size_t)count, sizeof *due, by_socket);
    for (int n = 0; n < count; n++) {
        Stream *stream = &streams[due[n]];
        int goes_on = 1;
        int64_t at_ns = now_ns(CLOCK_REALTIME), until = slot * slot_ns;
        do {
            send_next(stream, at_ns);
            goes_on = advance(stream);
        } while (goes_on && stream->next && due_ns(stream) <= until);
        if (goes_on) put_on_wheel(due[n], slot);
    }
    flush();
}

static void take(const uint8_t *bytes, size_t length, int64_t at_ns) {
    if (length < 8 || bytes[0] < 128 || bytes[0] > 191) { other_in++; return; }
    if (bytes[1] >= 192 && bytes[1] < 224) { rtcp_in++; return; }
    Flow *flow = length >= HEADER ? find_flow(be32(bytes + 8)) : NULL;
    if (!flow) { unknown++; return; }
    if (flow->count == flow->capacity) return;
    Stream *stream = &streams[flow->stream];
    if (flow->is_stamped) {
        if (length < KEPT) { unknown++; return; }
        flow->number[flow->count] = be32(bytes + HEADER);
        flow->shift = 0;
    } else {
        uint16_t number = (uint16_t)(bytes[2] << 8 | bytes[3]);
        flow->extended = flow->has_first ? flow->extended + (int16_t)(number - flow->last) : number;
        flow->has_first = 1, flow->last = number;
        flow->number[flow->count] = flow->extended;
        if (stream->sent - flow->extended < flow->shift) flow->shift = stream->sent - flow->extended;
    }
    flow->arrived_ns[flow->count++] = at_ns;
}

static int64_t stamp_of(struct msghdr *message, int64_t otherwise) {
    for (struct cmsghdr *each = CMSG_FIRSTHDR(message); each; each = CMSG_NXTHDR(message, each))
        if (each->cmsg_level == SOL_SOCKET && each->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec at;
            memcpy(&at, CMSG_DATA(each), sizeof at);
            return at.tv_sec * SECOND + at.tv_nsec;
        }
    return otherwise;
}

static void drain_socket(int fd) {
    static uint8_t bytes[BATCH][KEPT];
    static char control[BATCH][64];
    struct mmsghdr in[BATCH];
    struct iovec part[BATCH];
    int count;
    do {
        for (int n = 0; n < BATCH; n++) {
            part[n] = (struct iovec){bytes[n], KEPT};
            in[n].msg_hdr = (struct msghdr){
                .msg_iov = &part[n], .msg_iovlen = 1, .msg_control = control[n], .msg_controllen = sizeof control[n]};
        }
        count = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
        int64_t now = now_ns(CLOCK_REALTIME);
        for (int n = 0; n < count; n++) take(bytes[n], in[n].msg_len, stamp_of(&in[n].msg_hdr, now));
    } while (count == BATCH);
}

static void drain(int poller) {
    struct epoll_event events[256];
    for (int turn = 0; turn < 16; turn++) {
        int count = epoll_wait(poller, events, 256, 0);
        for (int n = 0; n < count; n++) drain_socket(events[n].data.fd);
        if (count < 256) return;
    }
}

static int open_poller(void) {
    int poller = epoll_create1(0), on = 1, room_bytes = 32 << 20;
    for (int n = 0; n < socket_count; n++) {
        struct epoll_event event = {.events = EPOLLIN, .data.fd = sockets[n]};
        setsockopt(sockets[n], SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
        if (socket_count < 64) {
            setsockopt(sockets[n], SOL_SOCKET, SO_RCVBUF, &room_bytes, sizeof room_bytes);
            setsockopt(sockets[n], SOL_SOCKET, SO_RCVBUFFORCE, &room_bytes, sizeof room_bytes);
        }
        if (epoll_ctl(poller, EPOLL_CTL_ADD, sockets[n], &event)) fail("epoll_ctl");
    }
    return poller;
}

static int by_size(const void *left, const void *right) {
    int32_t a = *(const int32_t *)left, b = *(const int32_t *)right;
    return (a > b) - (a < b);
}

static void add_delay(Class *class, int64_t delay_ns) {
    if (class->count == class->capacity) {
        class->capacity = 2 * class->capacity + 1024;
        class->delays_us = realloc(class->delays_us, sizeof(int32_t) * (size_t)class->capacity);
        if (!class->delays_us) fail("memory");
    }
    class->delays_us[class->count++] = (int32_t)(delay_ns / 1000);
}

static void judge(Class *classes, int64_t from_ns, int64_t to_ns) {
    for (int n = 0; n < flow_count; n++) {
        Flow *flow = &flows[n];
        Stream *stream = &streams[flow->stream];
        Class *class = &classes[flow->class];
        uint8_t *seen = room(stream->kept, 1);
        for (int k = 0; k < stream->kept; k++)
            class->expected += stream->sent_ns[k] >= from_ns && stream->sent_ns[k] < to_ns;
        for (int k = 0; k < flow->count; k++) {
            int64_t index = flow->number[k] + flow->shift;
            if (index < 0 || index >= stream->kept) { class->extra++; continue; }
            int64_t sent_ns = stream->sent_ns[index];
            if (sent_ns < from_ns || sent_ns >= to_ns) continue;
            if (seen[index]++) { class->extra++; continue; }
            class->received++;
            add_delay(class, flow->arrived_ns[k] - sent_ns);
        }
        free(seen);
    }
}

static double part_us(const int32_t *sorted, int64_t count, double share) {
    return count ? sorted[(int64_t)(share * (double)(count - 1))] : 0;
}

int main(int argc, char **argv) {
    struct stat size;
    if (argc != 3) { fprintf(stderr, "media_load PLAN PACKETS\n"); return 2; }
    int file = open(argv[2], O_RDONLY);
    if (file < 0 || fstat(file, &size)) fail(argv[2]);
    const uint8_t *bytes = mmap(NULL, (size_t)size.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
    if (bytes == MAP_FAILED) fail("mmap");
    read_plan(argv[1], bytes);
    make_table();
    wheel = room(WHEEL, sizeof *wheel);
    for (int n = 0; n < WHEEL; n++) wheel[n] = -1;
    for (int n = 0; n < stream_count; n++) streams[n].sent = -1, put_on_wheel(n, 0);
    int poller = open_poller();
    prctl(PR_SET_TIMERSLACK, 1UL);

    int64_t slots = (warm_up_ns + measure_ns + drain_ns) / slot_ns;
    int64_t first = warm_up_ns / slot_ns, last = (warm_up_ns + measure_ns) / slot_ns;
    int32_t *late_us = room((size_t)(last - first) + 1, sizeof *late_us);
    int64_t late_count = 0, from_ns = 0, to_ns = 0;
    int64_t start = now_ns(CLOCK_MONOTONIC) + 50000000;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    after = before;
    for (int64_t slot = 1; slot <= slots; slot++) {
        int64_t due = start + slot * slot_ns;
        struct timespec at = {due / SECOND, due % SECOND};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {}
        int64_t late = now_ns(CLOCK_MONOTONIC) - due;
        if (slot == first) {
            getrusage(RUSAGE_SELF, &before);
            from_ns = now_ns(CLOCK_REALTIME);
            puts("begin");
            fflush(stdout);
        }
        if (slot == last) {
            getrusage(RUSAGE_SELF, &after);
            to_ns = now_ns(CLOCK_REALTIME);
            puts("end");
            fflush(stdout);
        }
        if (slot >= first && slot < last) late_us[late_count++] = (int32_t)(late / 1000);
        if (slot <= last) send_due(slot);
        drain(poller);
    }
    drain(poller);

    Class classes[CLASSES] = {0};
    judge(classes, from_ns, to_ns);
    qsort(late_us, (size_t)late_count, sizeof *late_us, by_size);
    double cpu = (double)(after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) +
                 (double)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec) / 1e6;
    printf("{\"seconds\": %.6f, \"late_p50_us\": %.0f, \"late_p99_us\": %.0f, \"late_max_us\": %.0f, \"cpu_s\": %.3f,"
           " \"unknown\": %lld, \"rtcp\": %lld, \"other\": %lld, \"send_errors\": %lld, \"classes\": [",
           (double)(to_ns - from_ns) / 1e9, part_us(late_us, late_count, 0.5), part_us(late_us, late_count, 0.99),
           part_us(late_us, late_count, 1.0), cpu, (long long)unknown, (long long)rtcp_in, (long long)other_in,
           (long long)send_errors);
    for (int n = 0; n < CLASSES; n++) {
        Class *class = &classes[n];
        qsort(class->delays_us, (size_t)class->count, sizeof(int32_t), by_size);
        printf("%s{\"expected\": %lld, \"received\": %lld, \"extra\": %lld, \"p50_us\": %.0f, \"p99_us\": %.0f, \"max_us\": %.0f}",
               n ? ", " : "", (long long)class->expected, (long long)class->received, (long long)class->extra,
               part_us(class->delays_us, class->count, 0.5), part_us(class->delays_us, class->count, 0.99),
               part_us(class->delays_us, class->count, 1.0));
    }
    puts("]}");
    return 0;
}
