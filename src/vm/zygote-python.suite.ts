/** Commands of Python that a zygote and a start of its own must end alike. */
import { inline, type ZygoteCase } from './zygote.suite.ts';

const code = (name: string, text: string, rest: Partial<ZygoteCase> & { args?: readonly string[] } = {}) => {
  const { args = [], ...more } = rest;
  return inline(`-c: ${name}`, ['python3', '-c', text, ...args], more);
};

const script = (
  name: string,
  text: string,
  rest: Partial<ZygoteCase> & { args?: readonly string[] } = {},
) => {
  const { args = [], files, ...more } = rest;
  return inline(`script: ${name}`, ['python3', 'job.py', ...args], {
    files: { 'job.py': text, ...files },
    ...more,
  });
};

const both = (name: string, text: string, rest: Partial<ZygoteCase> & { args?: readonly string[] } = {}) => [
  code(name, text, rest),
  script(name, text, rest),
];

const plain = { taken: false } as const;
const loud = 'class L:\n    def __init__(s, n): s.n = n\n    def __del__(s): print("gone", s.n)\n';
const traced = 'def f(x):\n    return 1 / x\n\ndef g():\n    return f(0)\n\ng()\n';

export const pythonCases: readonly ZygoteCase[] = [
  ...both('arguments', 'import sys; print(sys.argv, sys.orig_argv)', {
    args: ['--flag', '', 'zwei wörter', '日本', '-x'],
  }),
  ...both('path and names', 'import sys; print(sys.path, sorted(globals()), __name__, __spec__, __doc__)'),
  ...both('loaded modules', 'import sys; print(sorted(sys.modules))'),
  ...both('flags', 'import sys; print(sys.flags, sys.executable, sys.prefix, sys.dont_write_bytecode)'),
  ...both('environment', 'import os; print(sorted(os.environ.items())); os.system("env | sort")', {
    env: ['A=1', 'B=with = and\nline'],
  }),
  ...both('home', 'import os, site; print(os.path.expanduser("~"), site.USER_SITE, site.ENABLE_USER_SITE)', {
    env: ['HOME=/nowhere'],
  }),
  ...both('folder and mask', 'import os; print(os.getcwd(), oct(os.umask(0o77)))'),
  ...both('standard input', 'import sys; print(repr(sys.stdin.read()))', { stdin: 'eins\nzwei\n' }),
  ...both('no standard input', 'print(input())'),
  ...both('descriptors', 'import os; print(sorted(os.listdir("/proc/self/fd")))'),
  ...both('stack', 'import traceback, sys; traceback.print_stack(); print(sys._getframe().f_back)'),
  ...both('last words of objects', `${loud}a = L(1); import sys; sys.mine = L(2); b = L(3); b.self = b`),
  ...both('last words of a builtin name', `${loud}import builtins; builtins.mine = L(1)`),
  ...both(
    'last words of a generator',
    'def g():\n    try: yield\n    finally: print("end")\nx = g(); next(x)',
  ),
  ...both('file left open', 'f = open("/dev/stdout", "w"); f.write("late"); g = f'),
  ...both('registered end', 'import atexit; atexit.register(print, "end")'),
  ...both(
    'output at the end of C',
    'import ctypes; ctypes.CDLL(None).printf(b"from C"); print("first", flush=True)',
  ),
  ...both(
    'thread that goes on',
    'import threading, time\ndef f():\n    time.sleep(0.05); import ctypes; ctypes.CDLL(None).printf(b"from C")\n' +
      'threading.Thread(target=f).start()',
  ),
  ...both('child that ends, too', 'import os; print(os.fork() and os.wait()[1], flush=True)'),
  ...both('output that cannot be written', 'import os; print("x"); os.close(1)'),
  ...both('output of its own', 'import io, sys; sys.stdout = io.StringIO(); print("x")'),
  ...both('error', traced),
  ...both('error in an error', 'try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError("b") from e'),
  ...both('group of errors', 'raise ExceptionGroup("g", [ValueError(1), TypeError(2)])'),
  ...both('exit code', 'import sys; sys.exit(7)'),
  ...both('exit text', 'import sys; sys.exit("bad things")'),
  ...both('exit none', 'raise SystemExit'),
  ...both('exit hard', 'import os; os._exit(3)'),
  ...both('stop iteration', 'raise StopIteration("at the top")'),
  ...both(
    'attribute and key',
    'try:\n    {}["a"]\nexcept KeyError as e:\n    print(repr(e))\nraise AttributeError("x")',
  ),
  // Told by another thread, once this one sleeps: where an interrupt falls is in what Python says of it.
  ...both(
    'interrupt',
    'import threading, time\nthreading.Timer(0.3, print, ["go"], {"flush": True}).start(); time.sleep(60)',
    { signal: 'SIGINT' },
  ),
  ...both('termination', 'import time; print("go", flush=True); time.sleep(60)', { signal: 'SIGTERM' }),
  ...both('kill', 'import os; os.kill(os.getpid(), 9)'),
  ...both('abort', 'import os; os.abort()'),
  ...both(
    'own handler',
    'import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *a: sys.exit(5))\n' +
      'print("go", flush=True); time.sleep(60)',
    { signal: 'SIGTERM' },
  ),
  ...both(
    'handlers',
    'import signal; print([signal.getsignal(n) for n in (1, 2, 13, 15, 17, 25)], ' +
      'signal.pthread_sigmask(0, []))',
  ),
  ...both(
    'session',
    'import os; print(os.getpid() == os.getpgid(0) == os.getsid(0), os.isatty(0), os.isatty(1))',
  ),
  ...both('at the end', 'import atexit; atexit.register(print, "last"); print("first"); raise RuntimeError'),
  ...both('hook', 'import sys; sys.excepthook = lambda *e: print("hook", e[0], e[2].tb_next); 1 / 0'),
  ...both(
    'threads',
    'import threading\nt = [threading.Thread(target=print, args=(n,)) for n in range(3)]\n' +
      'for x in t: x.start(); x.join()\n' +
      'print(threading.current_thread().name, threading.main_thread() is threading.current_thread())',
  ),
  ...both(
    'thread that fails',
    'import threading\nt = threading.Thread(target=lambda: 1 / 0, name="t"); t.start(); t.join(); print("on")',
  ),
  ...both(
    'thread left running',
    'import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.05), print("late"))).start()',
  ),
  ...both(
    'subprocess',
    'import subprocess, sys; print(subprocess.run([sys.executable, "-c", "import sys; ' +
      'print(sys.argv, file=sys.stderr); sys.exit(4)", "a"], capture_output=True))',
  ),
  ...both(
    'child with the same output',
    'import subprocess; subprocess.run(["sh", "-c", "cat; echo out; echo err >&2"])',
    { stdin: 'in\n' },
  ),
  ...both('fork', 'import os\np = os.fork()\nif p == 0: os._exit(9)\nprint(os.waitpid(p, 0)[1])'),
  ...both(
    'async',
    'import asyncio\nasync def f(n):\n    await asyncio.sleep(0.01 * n); print(n)\nasync def m(): ' +
      'await asyncio.gather(*map(f, range(3)))\nasyncio.run(m())',
  ),
  ...both(
    'much output',
    'import sys\nfor n in range(20000): print(n, "x" * 50)\nsys.stderr.write("e" * 100000)',
  ),
  ...both(
    'both streams',
    'import sys\nfor n in range(5):\n    print(n, flush=True); print(-n, file=sys.stderr)',
  ),
  ...both('bytes', 'import sys; sys.stdout.buffer.write(bytes(range(256)))'),
  ...both('unicode', 'import os; print("ä日本😀", os.environ["GREETING"])'),
  ...both(
    'encodings',
    'import sys, locale; print(sys.stdout.encoding, sys.stdin.errors, sys.getfilesystemencoding(), ' +
      'locale.getpreferredencoding(), sys.stdout.line_buffering)',
  ),
  ...both('broken pipe', 'import os, sys\nr, w = os.pipe(); os.close(r); os.write(w, b"x")'),
  ...both('closed output', 'import os; os.close(1); print("lost")'),
  ...both('warnings', 'import warnings; warnings.warn("old"); warnings.warn("older", stacklevel=2)'),
  ...both(
    'locals are globals',
    'a = 1\nprint(locals() is globals(), __builtins__.__name__)\nclass C:\n    b = a\nprint(C.b, [a ' +
      'for _ in range(2)], eval("a"))',
  ),
  ...both(
    'main module',
    'import __main__, sys; print(sys.modules["__main__"] is __main__, __main__.__dict__ is ' +
      'globals(), getattr(__main__, "__file__", None), type(__loader__))',
  ),
  ...both('pickle of main', 'import pickle\nclass P: pass\nprint(type(pickle.loads(pickle.dumps(P()))))'),
  ...both('recursion', 'def f(): f()\ntry:\n    f()\nexcept RecursionError as e:\n    print(e)'),
  ...both('annotations', 'x: int = 1\nprint(__annotations__)'),
  ...both('syntax error', 'print(1\nx = =', plain),
  ...both('return outside', 'return 5', plain),
  ...both('memory', 'x = bytearray(20_000_000); print(len(x))'),
  ...both(
    'limits',
    'import resource; print(resource.getrlimit(resource.RLIMIT_NOFILE), ' +
      'resource.getrlimit(resource.RLIMIT_STACK))',
  ),
  ...both('locale by environment', 'import locale; print(locale.setlocale(0, ""))', {
    env: ['LC_ALL=C'],
    ...plain,
  }),
  ...both('unbuffered by environment', 'print(1)', { env: ['PYTHONUNBUFFERED=1'], ...plain }),
  ...both('zone by environment', 'import time; print(time.tzname)', { env: ['TZ=Asia/Tokyo'], ...plain }),
  script('sibling module', 'import helper; print(helper.__file__, helper.x)', {
    files: { 'helper.py': 'x = 5' },
  }),
  script(
    'its own file',
    'import os; print(__file__, os.path.abspath(__file__), __cached__, __loader__.path)',
  ),
  script('its source', 'import inspect, sys\ndef f(): pass\nprint(inspect.getsource(f))'),
  script('cookie', '# -*- coding: latin-1 -*-\nprint("a")'),
  script('first line', '#!/usr/bin/env python3\nprint("ran")'),
  script('future', 'from __future__ import annotations\nx: unknown = 1\nprint(__annotations__)'),
  script(
    'multiprocessing',
    'import multiprocessing as m\ndef f(x): return x * x\nif __name__ == "__main__":\n    with ' +
      'm.get_context("spawn").Pool(1) as p: print(p.map(f, [1, 2, 3]))',
  ),
  script('runpy of another', 'import runpy; print(runpy.run_path("other.py")["x"])', {
    files: { 'other.py': 'x = __name__' },
  }),
  inline('module', ['python3', '-m', 'tool', 'a'], {
    files: { 'tool.py': 'import sys; print(sys.argv, __name__, __package__, sys.path[0]); 1/0' },
  }),
  inline('package', ['python3', '-m', 'pack'], {
    files: {
      'pack/__init__.py': '',
      'pack/__main__.py': 'from . import part; print(part.x)',
      'pack/part.py': 'x = 1',
    },
  }),
  inline('module of the library', ['python3', '-m', 'json.tool'], { stdin: '{"a": [1]}' }),
  inline('no such module', ['python3', '-m', 'nothing.there']),
  inline('script elsewhere', ['python3', 'sub/../sub/job.py'], {
    files: { 'sub/job.py': 'import sys, near; print(sys.path[0], __file__, sys.argv)', 'sub/near.py': '' },
  }),
  inline('path to the program', [
    '/usr/bin/python3',
    '-c',
    'import sys; print(sys.executable, sys.orig_argv)',
  ]),
  inline('program elsewhere', ['python3', '-c', 'import sys; print(sys.executable)'], {
    env: ['PATH=/nowhere:/usr/bin'],
  }),
  inline('no such script', ['python3', 'nothing.py'], plain),
  inline('folder', ['python3', '.'], { files: { '__main__.py': 'print(1)' }, ...plain }),
  inline('from standard input', ['python3'], { stdin: 'print(1)\n', ...plain }),
  inline('dash', ['python3', '-', 'a'], { stdin: 'import sys; print(sys.argv)\n', ...plain }),
  inline('version', ['python3', '--version'], plain),
  inline('isolated', ['python3', '-I', '-c', 'import sys; print(sys.flags.isolated)'], plain),
  inline('unbuffered', ['python3', '-u', '-c', 'print(1)'], plain),
  inline('no code', ['python3', '-c'], plain),
  inline('another program', ['sh', '-c', 'echo $0; exit 4'], plain),
];
