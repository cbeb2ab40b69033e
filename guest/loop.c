/** The agent's one loop: waits for the host, for commands and for their pipes, and blocks on none of them. */
#include "loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "clock.h"
#include "outcome.h"
#include "pressure.h"
#include "pump.h"

/** Places in the poll set; each stream has three more, in the order of the slots. */
enum {
    POLL_HOST,
    POLL_CHILDREN,
    POLL_PRESSURE,
    POLL_STREAMS,
    POLLS_PER_STREAM = 3,
    POLLS_MAX = POLL_STREAMS + POLLS_PER_STREAM * STREAMS_MAX,
};

struct loop {
    struct agent *agent;
    int children;
    /** 0: the host is there. Else since when it is not. */
    uint64_t host_gone_ms;
    size_t turn;
    struct pollfd polls[POLLS_MAX];
};

/** A set that asks for nothing must leave the descriptor out: poll reports a hang-up also unasked. */
static struct pollfd poll_of(int fd, bool wanted, short events) {
    return (struct pollfd){.fd = wanted ? fd : -1, .events = events};
}

static nfds_t fill_polls(struct loop *loop) {
    const struct channel *channel = &loop->agent->channel;
    const struct streams *streams = &loop->agent->streams;
    short host_events = 0;
    if (channel_wants_to_receive(channel)) host_events |= POLLIN;
    if (channel_wants_to_flush(channel)) host_events |= POLLOUT;
    loop->polls[POLL_HOST] = poll_of(channel->fd, true, host_events);
    loop->polls[POLL_CHILDREN] = poll_of(loop->children, true, POLLIN);
    loop->polls[POLL_PRESSURE] = poll_of(loop->agent->pressure, true, POLLPRI);
    struct pollfd *next = &loop->polls[POLL_STREAMS];
    for (size_t i = 0; i < streams->used; i++) {
        const struct stream *stream = &streams->slots[i];
        bool runs = stream->id != 0 && stream->pid != 0;
        bool output = runs && pump_wants_output(channel, stream);
        *next++ = poll_of(stream->input.fd, runs && pump_wants_input(stream), POLLOUT);
        *next++ = poll_of(stream->output.fd, output, POLLIN);
        *next++ = poll_of(stream->error.fd, output, POLLIN);
    }
    return POLL_STREAMS + POLLS_PER_STREAM * (nfds_t)streams->used;
}

static void collect_children(struct loop *loop) {
    struct signalfd_siginfo news;
    if (loop->polls[POLL_CHILDREN].revents == 0) return;
    while (read(loop->children, &news, sizeof news) > 0) continue;
    outcome_reap(&loop->agent->streams, &loop->agent->zygotes);
}

/** Serves the streams that were polled, another first each time: a loud one must not take all the room. */
static void pump_streams(struct loop *loop, size_t polled) {
    loop->turn++;
    for (size_t i = 0; i < polled; i++) {
        size_t slot = (i + loop->turn) % polled;
        struct stream *stream = &loop->agent->streams.slots[slot];
        const struct pollfd *polls = &loop->polls[POLL_STREAMS + POLLS_PER_STREAM * slot];
        if (stream->id == 0) continue;
        if (polls[1].revents != 0 && zygotes_hear(&loop->agent->zygotes, stream)) continue;
        if (polls[0].revents != 0) pump_input(&loop->agent->channel, stream);
        if ((polls[1].revents | polls[2].revents) != 0) pump_output(&loop->agent->channel, stream);
    }
}

static enum transfer exchange(struct loop *loop) {
    short happened = loop->polls[POLL_HOST].revents;
    if ((happened & POLLIN) != 0) return channel_receive(&loop->agent->channel);
    return (happened & (POLLHUP | POLLERR | POLLNVAL)) != 0 ? TRANSFER_ENDED : TRANSFER_OK;
}

/** False: the host stayed away for too long. */
static bool wait_for_host(struct loop *loop, uint64_t host_wait_ms) {
    uint64_t now = monotonic_ms();
    if (loop->host_gone_ms == 0) loop->host_gone_ms = now;
    if (now - loop->host_gone_ms >= host_wait_ms) return false;
    sleep_1ms();
    return true;
}

enum ending loop_run(struct agent *agent, uint64_t host_wait_ms) {
    static struct loop loop;
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_BLOCK, &children, NULL);
    signal(SIGPIPE, SIG_IGN);
    loop = (struct loop){.agent = agent, .children = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC)};
    for (;;) {
        size_t polled = agent->streams.used;
        if (poll(loop.polls, fill_polls(&loop), outcome_wait_ms(&agent->streams)) < 0) continue;
        if (loop.polls[POLL_PRESSURE].revents != 0) pressure_relieve();
        collect_children(&loop);
        enum transfer transfer = exchange(&loop);
        enum verdict verdict = verbs_handle(agent);
        if (verdict != VERDICT_GO_ON) return verdict == VERDICT_STOP ? ENDING_ASKED : ENDING_BROKEN;
        pump_streams(&loop, polled);
        outcome_tell(&agent->channel, &agent->streams);
        if (transfer == TRANSFER_OK) transfer = channel_flush(&agent->channel);
        if (transfer == TRANSFER_OK) loop.host_gone_ms = 0;
        else if (!wait_for_host(&loop, host_wait_ms)) return ENDING_HOST_GONE;
    }
}
