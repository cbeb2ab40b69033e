/**
 * Takes the channel to the host away from the guest agent and says on it what no agent would. Argument: which lie;
 * where it names a stream, that of the first command. Runs as root in a guest.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SYS_PIDFD_OPEN = 434, SYS_PIDFD_GETFD = 438, AGENT = 1, FDS = 64, HEADER = 9 };

static int channel(void) {
    int agent = (int)syscall(SYS_PIDFD_OPEN, AGENT, 0);
    for (int fd = 0; fd < FDS; fd++) {
        char link[64], target[64] = "";
        snprintf(link, sizeof link, "/proc/%d/fd/%d", AGENT, fd);
        if (readlink(link, target, sizeof target - 1) < 0 || strstr(target, "/vport") == NULL) continue;
        return (int)syscall(SYS_PIDFD_GETFD, agent, fd, 0);
    }
    return -1;
}

static void frame(int port, uint32_t length, uint8_t type, uint32_t stream, const char *payload, size_t bytes) {
    char header[HEADER];
    memcpy(header, &length, 4);
    header[4] = (char)type;
    memcpy(header + 5, &stream, 4);
    if (write(port, header, sizeof header) != sizeof header || write(port, payload, bytes) != (ssize_t)bytes) exit(3);
}

int main(int argc, char **argv) {
    int port = channel();
    if (argc != 2 || port < 0) return 2;
    const char *lie = argv[1];
    const char *exited = "{\"code\":0,\"signal\":0,\"wallMs\":1,\"cpuMs\":1,\"maxRssKiB\":1,\"oom\":false}";
    if (strcmp(lie, "giant") == 0) frame(port, 0xffffffffu, 0x83, 1, "", 0);
    if (strcmp(lie, "broken") == 0) frame(port, 3, 0x42, 7, "abc", 3);
    if (strcmp(lie, "header-without-end") == 0 && write(port, "\1\2\3", 3) != 3) return 3;
    if (strcmp(lie, "two-ends") == 0) {
        for (uint32_t stream = 1; stream < FDS; stream++) {
            for (int i = 0; i < 2; i++) frame(port, (uint32_t)strlen(exited), 0x85, stream, exited, strlen(exited));
        }
    }
    sleep(600);
    return 0;
}
