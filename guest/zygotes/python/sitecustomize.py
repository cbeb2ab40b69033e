"""
The zygote of Python: an interpreter that has started and waits for the one command it will take.

It runs as `python3 -m zygote` with this folder as PYTHONPATH. At the end of its start the interpreter asks the module
runpy for what it shall call; here a stand-in answers, which first waits for the command, makes everything as if Python
had been started for it, and then gives a callable without a Python frame of its own: the command is at the bottom of
the stack, and its end, exceptions included, is handled by the interpreter as ever. guest/zygote.h tells the rest.
"""
import os
import posix
import sys

CONTROL = 3
#: What they say was looked at when the interpreter started. LC_CTYPE is set by Python itself where there is no locale.
STARTUP_NAMES = (b"LANGUAGE", b"LANG", b"TZ", b"GLIBC_TUNABLES", b"OPENSSL_CONF")
STARTUP_PREFIXES = (b"PYTHON", b"LC_", b"LD_", b"MALLOC_")


def read_exactly(length):
    parts = []
    while length > 0:
        part = posix.read(CONTROL, min(length, 65536))
        if not part:
            posix._exit(0)
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def read_command():
    """Working directory, arguments and environment, as the agent's exec spec has them."""
    spec = read_exactly(int.from_bytes(read_exactly(4), "little"))
    count = int.from_bytes(spec[4:8], "little")
    cwd, *strings = spec[12:-1].split(b"\0")
    return cwd, strings[:count], strings[count:]


def take_environment(entries):
    """By what os.environ itself uses: each way to it that is not gone here before is one to be translated."""
    known = os.environ._data
    own = known.get(b"LC_CTYPE")
    home = known.get(b"HOME")
    for name in known:
        posix.unsetenv(name)
    known.clear()
    for entry in entries:
        name, _, value = entry.partition(b"=")
        if name in STARTUP_NAMES or name.startswith(STARTUP_PREFIXES):
            return False
        posix.putenv(name, value)
        known[name] = value
    if own is not None:
        posix.putenv(b"LC_CTYPE", own)
        known[b"LC_CTYPE"] = own
    return take_home(home is not None and known.get(b"HOME") == home)


def take_home(is_same):
    """Where a user keeps own modules depends on HOME; if there are any, a start of its own finds them."""
    import site

    if is_same or not site.ENABLE_USER_SITE:
        return True
    known = site.USER_SITE
    site.USER_BASE = site.USER_SITE = None
    return site.getusersitepackages() == known or not (isdir(known) or isdir(site.USER_SITE))


def isdir(path):
    return os.path.isdir(path)


def function_of(code, names, defaults=None):
    return type(isdir)(code, names, None, defaults)


def plan(arguments):
    """What is called in place of the command, as a function without arguments; None: it is not for a zygote."""
    names = sys.modules["__main__"].__dict__
    option, rest = (arguments[1], arguments[2:]) if len(arguments) > 1 else ("", [])
    if option == "-c" and rest:
        sys.argv[:] = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        return function_of(compile(rest[0], "<string>", "exec", dont_inherit=True), names)
    if option == "-m" and rest:
        sys.argv[:] = ["-m", *rest[1:]]
        sys.path.insert(0, os.getcwd())
        import runpy

        run = runpy._run_module_as_main
        return function_of(run.__code__, run.__globals__, (rest[0], True))
    if option == "" or option.startswith("-") or option.endswith(".pyc") or not os.path.isfile(option):
        return None
    name = os.path.join(os.getcwd(), option)
    with open(name, "rb") as file:
        code = compile(file.read(), name, "exec", dont_inherit=True)
    sys.argv[:] = arguments[1:]
    sys.path.insert(0, os.path.dirname(os.path.realpath(option)))
    loader = sys.modules["_frozen_importlib_external"].SourceFileLoader("__main__", name)
    names.update(__file__=name, __cached__=None, __loader__=loader)
    return function_of(code, names)


def become():
    """Waits for a command; gives what is called in its place. Ends the process when the command is not for it."""
    os.write(1, b"R")
    cwd, arguments, entries = read_command()
    try:
        os.chdir(cwd)
        sys.orig_argv[:] = [os.fsdecode(argument) for argument in arguments]
        function = plan(list(sys.orig_argv)) if take_environment(entries) else None
    except (OSError, SyntaxError, ValueError):
        function = None
    if function is None:
        os._exit(0)
    if "random" in sys.modules:
        sys.modules["random"].seed()
    os.write(CONTROL, b"Y")
    os.close(CONTROL)
    return function


class End:
    """Ends the process when it is forgotten, the last of the names of sys: that is when all modules are gone."""

    def __del__(self, end=posix._exit):
        end(0)


#: Parts of Python that have C code at hand which may have something left to do when the process ends.
KEEPS_END = frozenset(("_ctypes", "_curses", "_tkinter", "atexit", "readline"))


def loads_its_own(origin):
    return isinstance(origin, str) and origin.endswith(".so") and "/lib-dynload/" not in origin


def end_quickly(_caller, _key, _value, names=len(sys.modules["builtins"].__dict__)):
    """
    The command has ended well. What Python does from here on is seen up to where its modules are gone; what comes then,
    piece by piece, takes as long again. Not where somebody has a word in the end, or output that cannot be written.
    """
    try:
        modules = sys.modules
        if len(modules["builtins"].__dict__) != names or b"PYTHONINSPECT" in os.environ._data:
            return
        if len(sys._current_frames()) > 1:
            return
        if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
            return
        for name, module in modules.items():
            if name in KEEPS_END or loads_its_own(getattr(getattr(module, "__spec__", None), "origin", None)):
                return
        sys.stdout.flush()
        sys.stderr.flush()
        sys.end = End()
    except BaseException:
        pass


def caller_class():
    """
    The interpreter gives its callable two arguments; here they only lead to a missing key, with no frame between. The
    key is set when the command has ended, and not by an exception.
    """
    from _collections import defaultdict

    class Caller(defaultdict):
        zygote = property(None, dict.__getitem__)
        __setitem__ = end_quickly

    return Caller


def clear_away():
    """As if this folder had never been there; who has a sitecustomize of their own gets it now."""
    del sys.path[0]
    folder = __file__.rpartition("/")[0]
    sys.path.remove(folder)
    for place in list(sys.path_importer_cache):
        if place not in sys.path:
            del sys.path_importer_cache[place]
    del sys.modules["runpy"], sys.modules["sitecustomize"]
    try:
        import sitecustomize
    except ImportError:
        pass


class Runpy(type(sys)):
    @property
    def _run_module_as_main(self):
        known = {*sys.modules}
        clear_away()
        caller = caller_class()
        if "_collections" not in known:
            sys.modules.pop("_collections", None)
        return caller(become()).__setattr__


#: What happens between a start and its first line was looked up in the interpreter's own source, of these versions.
if sys.version_info[:2] in ((3, 11), (3, 12)) and sys.orig_argv[1:] == ["-m", "zygote"]:
    sys.modules["runpy"] = Runpy("runpy")
