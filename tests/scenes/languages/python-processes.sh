#: needs python3
#: seconds 120
# multiprocessing in all three ways to start, with managers, pools, shared memory, pipes, and children that die.
cat > m.py <<'P'
import ctypes, multiprocessing as m, os, signal, sys, time
from multiprocessing import shared_memory, managers

def square(x): return x * x
def into(conn, q, v, e):
    v.value += 1
    e.wait(); conn.send({'a': [1, 2]}); q.put(b'x' * 100000); conn.close()
def named(name):
    s = shared_memory.SharedMemory(name); s.buf[3] = 42; s.close()
def locked(lock, n, times):
    for _ in range(times):
        with lock: n.value += 1
def dies(how):
    if how == 'exit': sys.exit(3)
    if how == 'raise': os.close(2); raise ValueError
    if how == 'kill': os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
def managed(d, l): d['k'] = len(l); l.append(4)

if __name__ == '__main__':
    for kind in ('fork', 'spawn', 'forkserver'):
        c = m.get_context(kind)
        with c.Pool(3, maxtasksperchild=5) as p:
            print(kind, p.map(square, range(20)), p.apply_async(square, (7,)).get(30))
            print(sorted(p.imap_unordered(square, range(5), 2)))
            try: p.map(int, ['1', 'x'])
            except ValueError as e: print(e)
        a, b = c.Pipe(); q = c.Queue(); v = c.Value('i', 5); e = c.Event()
        p = c.Process(target=into, args=(b, q, v, e)); p.start(); e.set()
        print(a.recv(), len(q.get()), v.value); p.join(); print(p.exitcode)
        s = shared_memory.SharedMemory(create=True, size=4096)
        p = c.Process(target=named, args=(s.name,)); p.start(); p.join(); print(s.buf[3], p.exitcode)
        s.close(); s.unlink()
        lock, n = c.Lock(), c.Value(ctypes.c_long, 0, lock=False)
        ps = [c.Process(target=locked, args=(lock, n, 300)) for _ in range(3)]
        [p.start() for p in ps]; [p.join() for p in ps]; print(n.value)
        for how in ('exit', 'raise', 'kill', 'terminate'):
            p = c.Process(target=dies, args=(how,)); p.start()
            if how == 'terminate': time.sleep(0.3); p.terminate()
            p.join(30); print(how, p.exitcode)
        with c.Manager() as mg:
            d, l = mg.dict(), mg.list([1, 2, 3])
            p = c.Process(target=managed, args=(d, l)); p.start(); p.join(); print(dict(d), list(l))
    with managers.SharedMemoryManager() as smm:
        l = smm.ShareableList(['a', 1, 2.5, None]); print(list(l))
    print(m.active_children(), os.listdir('/dev/shm') == [] or 'left')
P
python3 -B m.py 2>&1 | grep -v '^object\|left'
cat > f.py <<'P'
import concurrent.futures as f, os, signal, threading, time
def work(x): return os.getpid() != 1 and x + 1
def die(x): os._exit(x)
if __name__ == '__main__':
    with f.ProcessPoolExecutor(3) as e:
        print(list(e.map(work, range(30), chunksize=4)), [x.result() for x in f.as_completed([e.submit(work, 1)])])
    try:
        with f.ProcessPoolExecutor(2) as e: e.submit(die, 3).result()
    except f.process.BrokenProcessPool as x: print('broken', type(x).__name__)
    with f.ThreadPoolExecutor(16) as e:
        print(sum(e.map(lambda i: i * i, range(500))))
        print(len(f.wait([e.submit(time.sleep, 0.01) for _ in range(30)]).done))
    r, w = os.pipe(); pid = os.fork()
    if not pid: os.write(w, b'child'); os._exit(4)
    print(os.read(r, 9), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    pid = os.posix_spawn('/bin/sh', ['sh', '-c', 'echo spawned >&9; exit 5'], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 1, 9)], setsigmask=[signal.SIGINT], setpgroup=0)
    print(os.waitid(os.P_PID, pid, os.WEXITED).si_status)
    pid = os.fork()
    if not pid: time.sleep(30)
    fd = os.pidfd_open(pid); signal.pidfd_send_signal(fd, signal.SIGTERM); print(os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status)
    t = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGALRM)); t.start()
    print(signal.sigwait({signal.SIGALRM}) if not signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}) else 0)
    print(os.get_terminal_size.__name__, os.cpu_count() > 0, os.getloadavg()[0] >= 0, len(os.sched_getaffinity(0)) > 0)
P
python3 -B f.py
