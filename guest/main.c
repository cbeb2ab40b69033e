/**
 * The guest agent. As PID 1 of a VM it boots the system and serves the host at a virtio port; as an ordinary
 * process, `agent --fd N`, it serves whoever holds the other end of the descriptor N, for tests.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "boot.h"
#include "loop.h"
#include "outcome.h"
#include "port.h"
#include "pressure.h"
#include "report.h"

/** A host that leaves a running VM for longer does not come back. */
enum { HOST_WAIT_MS = 10000 };

enum { EXIT_BROKEN_FRAMES = 65, EXIT_USAGE = 64 };

/** Far too large for a stack. */
static struct agent agent = {.pressure = -1};

/** So that no pipe of a command ever gets one of these numbers. */
static void fill_standard_descriptors(void) {
    int fd = STDIN_FILENO;
    while (fd >= 0 && fd <= STDERR_FILENO) fd = open("/dev/null", O_RDWR);
    if (fd > STDERR_FILENO) close(fd);
}

/** The kernel shall pick commands when memory runs out: they inherit this. It never picks PID 1. */
static void offer_commands_for_oom(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0) return;
    dprintf(file, "1000");
    close(file);
}

_Noreturn static void serve_as_init(void) {
    boot_system();
    fill_standard_descriptors();
    offer_commands_for_oom();
    agent.channel.fd = port_open();
    if (agent.channel.fd < 0) boot_power_off();
    agent.pressure = pressure_watch();
    if (loop_run(&agent, HOST_WAIT_MS) == ENDING_HOST_GONE) report("the host has left the port");
    boot_power_off();
}

static int serve_as_process(int fd) {
    fill_standard_descriptors();
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        report("descriptor %d: %s", fd, strerror(errno));
        return EXIT_USAGE;
    }
    offer_commands_for_oom();
    outcome_note_oom();
    /* Orphans of commands come to the agent, as they do to PID 1. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    agent.channel.fd = fd;
    enum ending ending = loop_run(&agent, 0);
    streams_reset(&agent.streams);
    return ending == ENDING_BROKEN ? EXIT_BROKEN_FRAMES : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    if (getpid() == 1) serve_as_init();
    char *end = NULL;
    long fd = argc == 3 && strcmp(argv[1], "--fd") == 0 ? strtol(argv[2], &end, 10) : -1;
    if (end == NULL || *end != 0 || fd <= STDERR_FILENO || fd > INT_MAX) {
        fprintf(stderr, "usage: agent --fd N\n");
        return EXIT_USAGE;
    }
    return serve_as_process((int)fd);
}
