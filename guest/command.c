/** Starts a command in its own session, with three pipes, as the user and in the folder its spec names. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "limits.h"
#include "path.h"

/** Exit codes as every shell has them. */
enum { EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

/** Each pair is read end, write end; of control, which need not be, the agent's end and the command's. */
struct pipes {
    int input[2], output[2], error[2], control[2];
};

_Noreturn static void give_up(int code, const char *doing, const char *what) {
    int cause = errno;
    dprintf(STDERR_FILENO, "blixard: cannot %s '%s': %s\n", doing, what, strerror(cause));
    _exit(code);
}

/** execve by the PATH of the command's own environment; returns only on failure, with errno. */
static void execute(const struct spec *spec) {
    struct path_search search = {0};
    char file[PROGRAM_BYTES_MAX];
    int cause = ENOENT;
    while (path_next(&search, spec, file)) {
        execve(file, spec->argv, spec->env);
        /* As in a shell, one that may not be run does not hide a later one that may. */
        if (errno == EACCES) cause = EACCES;
        else if (errno != ENOENT && errno != ENOTDIR) return;
    }
    errno = cause;
}

static void become(uid_t uid) {
    if (uid == geteuid()) return;
    char name[16];
    snprintf(name, sizeof name, "%u", uid);
    /* A pipe belongs to who made it: only its owner may open it by name, as /dev/stdout. */
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fchown(fd, uid, uid) != 0) give_up(EXIT_CANNOT_RUN, "hand its pipes to user", name);
    if (setgroups(0, NULL) != 0 || setgid(uid) != 0 || setuid(uid) != 0)
        give_up(EXIT_CANNOT_RUN, "become user", name);
}

/** Without the pipes of others, which would keep those from ending. */
_Noreturn static void run_task(const struct spec *spec, task_body *task) {
    syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
    if (chdir(spec->cwd) != 0) give_up(EXIT_CANNOT_RUN, "enter", spec->cwd);
    become(spec->uid);
    _exit(task(spec));
}

/** The one descriptor besides its pipes that a command may have from the agent. */
static void hand_control(int end) {
    if (end == CONTROL_FILENO) fcntl(end, F_SETFD, 0);
    else if (end >= 0) dup2(end, CONTROL_FILENO);
}

_Noreturn static void run(const struct spec *spec, const struct pipes *pipes, task_body *task) {
    sigset_t none;
    sigemptyset(&none);
    setsid();
    dup2(pipes->input[0], STDIN_FILENO);
    dup2(pipes->output[1], STDOUT_FILENO);
    dup2(pipes->error[1], STDERR_FILENO);
    hand_control(pipes->control[1]);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (task != NULL) run_task(spec, task);
    errno = limits_join(0);
    if (errno != 0) give_up(EXIT_CANNOT_RUN, "limit the processes of", spec->argv[0]);
    /* As root, so that a command of another user may start in a folder only root may enter. */
    if (chdir(spec->cwd) != 0) give_up(EXIT_CANNOT_RUN, "enter", spec->cwd);
    become(spec->uid);
    execute(spec);
    give_up(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN, "run", spec->argv[0]);
}

/**
 * A task is a copy of the agent. For a command the copy, all its page tables, would be made in vain: it has the memory
 * of the agent, which waits, until it becomes its program; so it must leave nothing there.
 */
static pid_t spawn(const struct spec *spec, const struct pipes *pipes, task_body *task) {
    pid_t pid = task == NULL ? vfork() : fork();
    if (pid == 0) run(spec, pipes, task);
    return pid;
}

static void close_pair(int pair[2]) {
    close_end(&pair[0]);
    close_end(&pair[1]);
}

static void pipes_close(struct pipes *pipes) {
    close_pair(pipes->input);
    close_pair(pipes->output);
    close_pair(pipes->error);
    close_pair(pipes->control);
}

static int pipes_open(struct pipes *pipes, bool with_control) {
    *pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(pipes->input, O_CLOEXEC) == 0 && pipe2(pipes->output, O_CLOEXEC) == 0 &&
        pipe2(pipes->error, O_CLOEXEC) == 0 &&
        (!with_control || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pipes->control) == 0))
        return 0;
    int cause = errno;
    pipes_close(pipes);
    return cause;
}

/** The agent's end, which must never block it. */
static int keep(int *end) {
    int fd = *end;
    *end = -1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static int start(struct stream *stream, const struct spec *spec, task_body *task, int *control) {
    struct pipes pipes;
    int cause = pipes_open(&pipes, control != NULL);
    if (cause != 0) return cause;
    pid_t pid = spawn(spec, &pipes, task);
    if (pid > 0) {
        stream->pid = pid;
        stream->input.fd = keep(&pipes.input[1]);
        stream->output.fd = keep(&pipes.output[0]);
        stream->error.fd = keep(&pipes.error[0]);
        if (control != NULL) *control = pipes.control[0], pipes.control[0] = -1;
    } else {
        cause = errno;
    }
    pipes_close(&pipes);
    return cause;
}

int command_start(struct stream *stream, const struct spec *spec, task_body *task) {
    return start(stream, spec, task, NULL);
}

int command_start_controlled(struct stream *stream, const struct spec *spec, int *control) {
    return start(stream, spec, NULL, control);
}
