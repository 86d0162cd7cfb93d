#: needs python3
# Servers and clients of one program on the loopback: asyncio, http.server, socketserver, ssl-less xmlrpc, select.
cat > s.py <<'P'
import asyncio, http.server, os, selectors, signal, socket, socketserver, subprocess, sys, threading, urllib.request, xmlrpc.server, xmlrpc.client

async def main():
    async def handle(r, w):
        while line := await r.readline(): w.write(line.upper()); await w.drain()
        w.close()
    server = await asyncio.start_server(handle, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    async def client(i):
        r, w = await asyncio.open_connection('127.0.0.1', port)
        for k in range(5): w.write(b'line %d of %d\n' % (k, i)); await w.drain(); line = await r.readline()
        w.close(); await w.wait_closed(); return line
    print((await asyncio.gather(*map(client, range(40))))[-1])
    server.close(); await server.wait_closed()
    u = await asyncio.start_unix_server(handle, 'sock')
    r, w = await asyncio.open_unix_connection('sock'); w.write(b'unix\n'); print(await r.readline()); w.close(); u.close()
    p = await asyncio.create_subprocess_shell('cat; exit 3', stdin=-1, stdout=-1)
    print(await p.communicate(b'in'), p.returncode)
    p = await asyncio.create_subprocess_exec('sleep', '60'); p.terminate(); print(await p.wait())
    try: await asyncio.wait_for(asyncio.create_subprocess_exec('sleep', '0'), 10); print('started')
    except asyncio.TimeoutError: print('late')
    loop = asyncio.get_running_loop(); got = loop.create_future()
    loop.add_signal_handler(signal.SIGUSR1, got.set_result, 'usr1'); os.kill(os.getpid(), signal.SIGUSR1); print(await got)
    print(await loop.run_in_executor(None, lambda: threading.current_thread() is not threading.main_thread()))
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, t): self.t = t
        def datagram_received(self, d, a): self.t.sendto(d[::-1], a)
    t, _ = await loop.create_datagram_endpoint(Echo, ('127.0.0.1', 0))
    s = socket.socket(type=socket.SOCK_DGRAM); s.settimeout(10); s.sendto(b'abc', t.get_extra_info('sockname'))
    print(await loop.run_in_executor(None, s.recv, 9)); t.close()
asyncio.run(main())

class H(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *a): pass
open('page', 'w').write('x' * 300000)
with http.server.ThreadingHTTPServer(('127.0.0.1', 0), H) as s:
    threading.Thread(target=s.serve_forever, daemon=True).start(); url = f'http://127.0.0.1:{s.server_port}/'
    ts = []; out = []
    for _ in range(10): ts.append(threading.Thread(target=lambda: out.append(len(urllib.request.urlopen(url + 'page').read())))); ts[-1].start()
    [t.join() for t in ts]; print(out)
    try: urllib.request.urlopen(url + 'none')
    except urllib.error.HTTPError as e: print(e.code)
    print(subprocess.run([sys.executable, '-c', f'import urllib.request as u; print(len(u.urlopen("{url}page").read()))'], capture_output=True).stdout)
    s.shutdown()
class F(socketserver.ForkingTCPServer): pass
class R(socketserver.StreamRequestHandler):
    def handle(self): self.wfile.write(b'child' if os.getpid() != parent else b'same')
parent = os.getpid()
with F(('127.0.0.1', 0), R) as s:
    threading.Thread(target=s.serve_forever, daemon=True).start()
    print([socket.create_connection(s.server_address).makefile().read() for _ in range(5)]); s.shutdown()
with xmlrpc.server.SimpleXMLRPCServer(('localhost', 0), logRequests=False) as s:
    s.register_function(pow); threading.Thread(target=s.serve_forever, daemon=True).start()
    print(xmlrpc.client.ServerProxy(f'http://localhost:{s.server_address[1]}').pow(2, 10)); s.shutdown()
sel = selectors.DefaultSelector(); a, b = socket.socketpair(); sel.register(a, selectors.EVENT_READ); print(sel.select(0), b.send(b'x'), len(sel.select(5)))
try: socket.create_connection(('127.0.0.1', 1), 5)
except ConnectionRefusedError as e: print(e)
P
python3 -B s.py
