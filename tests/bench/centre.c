/* A message centre that costs next to nothing, so that what is measured is what talks to it: one bind at a
   time, SMPP 3.4, decimal ids that count up, a receipt as text a second after each submit, WINDOW of them
   unanswered. `centre COUNT` prints its port; once COUNT receipts are acknowledged, or at the end of its input,
   what it saw, as JSON. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WINDOW = 2000, RING = 1 << 22, NUMBERS = 100000000, IN = 1 << 20, OUT = 1 << 22, PDU = 1024 };
#define DELAY_S 1.0
#define FIRST_ID 1000000001ull

struct waiting { double due; uint64_t id; char from[24], to[24]; };

static struct waiting *ring;
static unsigned head, tail, unacknowledged;
static uint64_t submits, acknowledged, refused, copies, next_id = FIRST_ID;
static double first_at, last_at;
static unsigned char *seen, in[IN], out[OUT];
static size_t had, left;
static uint32_t sequence;
static char stamp[16];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static uint32_t get(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

static unsigned char *begin(uint32_t command, uint32_t number) {
    uint32_t words[4] = {0, htonl(command), 0, htonl(number)};
    if (left + PDU > OUT) { fprintf(stderr, "the other side reads nothing\n"); exit(1); }
    memcpy(out + left, words, 16);
    return out + left + 16;
}

static void end(unsigned char *at) {
    uint32_t length = htonl(at - (out + left));
    memcpy(out + left, &length, 4);
    left = at - out;
}

static unsigned char *text(unsigned char *at, const char *value) {
    size_t length = strlen(value) + 1;
    memcpy(at, value, length);
    return at + length;
}

/* service_type, then source and destination with their ton and npi: copied into `one`; 0 if it has no end. */
static int addresses(const unsigned char *at, const unsigned char *limit, struct waiting *one) {
    char *into[] = {NULL, one->from, one->to};
    for (int field = 0; field < 3; field++) {
        at += field ? 2 : 0;
        const unsigned char *stop = at < limit ? memchr(at, 0, limit - at) : NULL;
        if (!stop || stop - at >= 24) return 0;
        if (into[field]) memcpy(into[field], at, stop - at + 1);
        at = stop + 1;
    }
    return 1;
}

static void submitted(uint32_t number, const unsigned char *body, const unsigned char *limit) {
    struct waiting *one = &ring[tail % RING];
    char id[24];
    if (!addresses(body, limit, one)) { fprintf(stderr, "a submit_sm that ends early\n"); exit(1); }
    if (tail - head == RING) { fprintf(stderr, "too many receipts wait\n"); exit(1); }
    if (!submits++) first_at = now();
    one->id = next_id++;
    one->due = now() + DELAY_S;
    tail++;
    copies += seen[strtoull(one->to, NULL, 10) % NUMBERS]++ > 0;
    snprintf(id, sizeof id, "%llu", (unsigned long long)one->id);
    end(text(begin(0x80000004, number), id));
}

static void report(const struct waiting *one) {
    unsigned char *at = begin(0x05, sequence = sequence % 0x7FFFFFFF + 1);
    char words[200];
    int length = snprintf(words, sizeof words, "id:%llu sub:001 dlvrd:001 submit date:%s done date:%s"
        " stat:DELIVRD err:000 text:", (unsigned long long)one->id, stamp, stamp);
    *at++ = 0;
    *at++ = 1, *at++ = 1, at = text(at, one->to);
    *at++ = 5, *at++ = 0, at = text(at, one->from);
    memcpy(at, "\4\0\0\0\0\0\0\0\0", 9), at += 9;  /* esm_class 4, up to sm_default_msg_id */
    *at++ = length;
    memcpy(at, words, length);
    end(at + length);
    unacknowledged++;
}

static void say(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec
        + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"submits\": %llu, \"acknowledged\": %llu, \"refused\": %llu, \"copies\": %llu, \"seconds\": %.4f,"
        " \"cpu_s\": %.3f}\n", (unsigned long long)submits, (unsigned long long)acknowledged,
        (unsigned long long)refused, (unsigned long long)copies, last_at - first_at, cpu);
    fflush(stdout);
}

/* One PDU; 0 when the bind is over. */
static int handle(const unsigned char *pdu, const unsigned char *limit, uint64_t count) {
    uint32_t command = get(pdu + 4), status = get(pdu + 8), number = get(pdu + 12);
    switch (command) {
    case 0x04: submitted(number, pdu + 16, limit); return 1;
    case 0x80000005:
        unacknowledged--, refused += status != 0, acknowledged += status == 0;
        last_at = now();
        if (acknowledged == count) say();
        return 1;
    case 0x01: case 0x02: case 0x09: end(text(begin(command | 0x80000000, number), "centre")); return 1;
    case 0x15: end(begin(0x80000015, number)); return 1;
    case 0x06: end(begin(0x80000006, number)); return 0;
    default: return 1;
    }
}

static int received(uint64_t count) {
    size_t at = 0;
    int goes_on = 1;
    while (goes_on && had - at >= 16) {
        size_t length = get(in + at);
        if (length < 16 || length > IN) return 0;
        if (had - at < length) break;
        goes_on = handle(in + at, in + at + length, count);
        at += length;
    }
    memmove(in, in + at, had -= at);
    return goes_on;
}

static void serve(int link, uint64_t count) {
    int goes_on = 1, yes = 1;
    struct pollfd ends[2] = {{.fd = link}, {.fd = 0, .events = POLLIN}};
    setsockopt(link, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    had = left = unacknowledged = 0;
    while (goes_on) {
        double at = now();
        time_t clock = time(NULL) + 7 * 3600;
        strftime(stamp, sizeof stamp, "%y%m%d%H%M", gmtime(&clock));
        while (head != tail && unacknowledged < WINDOW && ring[head % RING].due <= at && left + PDU < OUT / 2)
            report(&ring[head++ % RING]);
        if (left) {
            ssize_t sent = send(link, out, left, MSG_DONTWAIT | MSG_NOSIGNAL);
            if (sent > 0) memmove(out, out + sent, left -= sent);
            else if (errno != EAGAIN) return;
        }
        double pause = head == tail || unacknowledged >= WINDOW ? 0.1 : ring[head % RING].due - at;
        ends[0].events = left ? POLLIN | POLLOUT : POLLIN;
        poll(ends, 2, pause <= 0 ? 1 : pause > 0.1 ? 100 : 1 + (int)(pause * 1000));
        if (ends[1].revents) { say(); exit(0); }
        if (!ends[0].revents || had == IN) continue;
        ssize_t got = recv(link, in + had, IN - had, MSG_DONTWAIT);
        if (got > 0) had += got;
        else if (got == 0 || errno != EAGAIN) return;
        goes_on = received(count);
    }
    send(link, out, left, MSG_NOSIGNAL);
}

int main(int argc, char **argv) {
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int door = socket(AF_INET, SOCK_STREAM, 0);
    ring = calloc(RING, sizeof *ring), seen = calloc(NUMBERS, 1);
    if (!ring || !seen || bind(door, (struct sockaddr *)&own, sizeof own) || listen(door, 8)) return 1;
    getsockname(door, (struct sockaddr *)&own, &size);
    printf("%d\n", ntohs(own.sin_port));
    fflush(stdout);
    for (;;) {
        struct pollfd ends[2] = {{.fd = door, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
        poll(ends, 2, -1);
        if (ends[1].revents) { say(); return 0; }
        int link = accept(door, NULL, NULL);
        if (link < 0) continue;
        serve(link, count);
        close(link);
    }
}
