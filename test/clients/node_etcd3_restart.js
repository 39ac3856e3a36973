// A watch of npm's etcd3 goes on after the server was killed and came back; nothing is missed, nothing comes twice (CLI-14).
// Arguments: the folder with node_modules, the address. Prints "watching" and "seen N"; reads a line to end.
const { Etcd3 } = require(process.argv[2] + '/node_modules/etcd3');

async function main() {
  const client = new Etcd3({ hosts: process.argv[3] });
  const watcher = await client.watch().prefix('w/').create();
  const seen = [];
  watcher.on('put', (kv) => {
    seen.push(`${kv.key}=${kv.value}`);
    console.log(`seen ${seen.length}`);
  });
  console.log('watching');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  console.log(JSON.stringify(seen));
  client.close();
  process.exit(0);
}

main().catch((error) => { console.error(error); process.exit(1); });
