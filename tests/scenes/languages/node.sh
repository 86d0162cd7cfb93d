#: needs node
# Node: child processes of every kind, workers, a cluster, servers, streams, signals, files.
export NODE_DISABLE_COLORS=1
cat > child.js <<'J'
process.on('message', m => { process.send({ double: m * 2 }); if (m === 0) process.exit(6); });
J
cat > a.js <<'J'
const c = require('child_process'), fs = require('fs'), net = require('net'), http = require('http'), util = require('util'), os = require('os'), dg = require('dgram'), zlib = require('zlib'), crypto = require('crypto');
const once = require('events').once, sleep = util.promisify(setTimeout);
(async () => {
  const f = c.fork('./child.js'); f.send(21); console.log((await once(f, 'message'))[0]); f.send(0); console.log((await once(f, 'exit'))[0]);
  console.log(await util.promisify(c.exec)('echo out; echo err >&2')); console.log(await util.promisify(c.exec)('exit 3').catch(e => e.code));
  console.log(c.spawnSync('cat', { input: 'x'.repeat(200000) }).stdout.length, c.spawnSync('sleep', ['9'], { timeout: 200 }).signal, c.spawnSync('nope').error.code);
  const d = c.spawn('sh', ['-c', 'echo $PPID > /dev/null; sleep 0.2; echo detached > det'], { detached: true, stdio: 'ignore' }); d.unref();
  const e = c.spawn('sh', ['-c', 'cat <&3'], { stdio: ['ignore', 'pipe', 'inherit', 'pipe'] }); e.stdio[3].end('extra'); console.log((await once(e.stdout, 'data'))[0].toString()); await once(e, 'close');
  const k = c.spawn('sleep', ['99']); setTimeout(() => k.kill('SIGKILL'), 50); console.log(await once(k, 'exit'));
  const s = http.createServer((q, r) => q.pipe(r)).listen(0, '127.0.0.1'); await once(s, 'listening'); const u = `http://127.0.0.1:${s.address().port}/`;
  console.log((await Promise.all(Array.from({ length: 20 }, (_, i) => fetch(u, { method: 'POST', body: 'b'.repeat(i * 5000) }).then(r => r.text())))).map(t => t.length).join()); s.close(); s.closeAllConnections();
  const us = net.createServer(x => x.end('unix')).listen('sock'); await once(us, 'listening'); console.log((await once(net.connect('sock'), 'data'))[0].toString()); us.close();
  const a = dg.createSocket('udp4'); a.bind(0, '127.0.0.1'); await once(a, 'listening'); dg.createSocket('udp4').send('dgram', a.address().port, '127.0.0.1').unref(); console.log((await once(a, 'message'))[0].toString()); a.close();
  const w = new (require('worker_threads').Worker)('const {parentPort: p, workerData: d} = require("worker_threads"); const v = new Int32Array(d); Atomics.wait(v, 0, 0, 20000); p.postMessage(Atomics.add(v, 1, 5)); process.exit(4)', { eval: true, workerData: globalThis.sab = new SharedArrayBuffer(8) });
  await sleep(100); const v = new Int32Array(sab); v[1] = 37; Atomics.store(v, 0, 1); Atomics.notify(v, 0); console.log((await once(w, 'message'))[0], v[1], (await once(w, 'exit'))[0]);
  process.on('SIGUSR2', () => console.log('usr2')); process.kill(process.pid, 'SIGUSR2'); await sleep(50);
  const g = util.promisify(zlib.gzip), un = util.promisify(zlib.gunzip); console.log((await un(await g(Buffer.alloc(1e6)))).length, (await util.promisify(crypto.pbkdf2)('p', 's', 1000, 8, 'sha1')).toString('hex'));
  const wt = fs.watch('.', (ev, n) => { if (n === 'seen') { console.log('watch', ev); wt.close(); } }); await sleep(20); fs.writeFileSync('seen', ''); await sleep(100);
  await Promise.all(Array.from({ length: 50 }, (_, i) => fs.promises.writeFile('f' + i, 'x'.repeat(i)))); console.log((await fs.promises.readdir('.')).filter(n => /^f\d+$/.test(n)).length);
  await new Promise((y, n) => fs.createReadStream('f49').pipe(fs.createWriteStream('copy')).on('finish', y).on('error', n)); console.log(fs.statSync('copy').size);
  for (let i = 0; i < 50 && !fs.existsSync('det'); i++) await sleep(100); console.log(fs.readFileSync('det', 'utf8').trim(), os.cpus().length > 0, os.freemem() > 0, os.uptime() > 0, os.userInfo().username);
  console.log(await new Promise(y => require('dns').lookup('localhost', { family: 4 }, (e, x) => y(x || e.code))));
})();
J
node a.js
cat > cl.js <<'J'
const cluster = require('cluster'), http = require('http');
if (cluster.isPrimary) {
  let n = 0; for (let i = 0; i < 3; i++) cluster.fork();
  cluster.on('listening', async (w, a) => { if (++n < 3) return; const t = await Promise.all(Array.from({ length: 9 }, () => fetch(`http://127.0.0.1:${a.port}/`).then(r => r.text()))); console.log(t.every(x => x === 'worker'), t.length); for (const k in cluster.workers) cluster.workers[k].kill(); });
  let gone = 0; cluster.on('exit', (w, c, s) => { if (++gone === 3) console.log('all gone', s); });
} else http.createServer((q, r) => { r.setHeader('connection', 'close'); r.end('worker'); }).listen(0, '127.0.0.1');
J
node cl.js
{ node -e 'process.abort()'; } 2> /dev/null; echo $?; node -e 'process.on("exit", c => console.log("exit", c)); process.exitCode = 9'; echo $?
echo 'console.log(require("fs").readFileSync(0, "utf8").length)' > in.js; seq 10000 | node in.js; node --input-type=module -e 'import { readFile } from "fs/promises"; console.log((await readFile("in.js")).length)'
{ node --max-old-space-size=40 -e 'new Array(1e8).fill().map(x => [x])'; } > /dev/null 2>&1; echo $(($? > 128))
timeout -s INT 2 node -e 'process.on("SIGINT", () => { console.log("int"); process.exit(5) }); setInterval(() => {}, 1000)'; echo $?
mkdir -p test; printf 'const t = require("node:test"); t("a", () => {}); t("b", () => { throw 1 });' > test/a.test.js; node --test test 2>&1 | grep -E '^. (tests|pass|fail) '
