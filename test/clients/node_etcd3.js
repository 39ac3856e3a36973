// What users of npm's etcd3 call. Arguments: the folder with node_modules, the address. Throws if an answer is wrong.
const assert = require('assert');
const { Etcd3 } = require(process.argv[2] + '/node_modules/etcd3');

async function main() {
  const client = new Etcd3({ hosts: process.argv[3] });

  await client.put('a').value('1');
  assert.strictEqual(await client.get('a').string(), '1');
  assert.strictEqual(await client.get('none').string(), null);
  await client.put('json').value(JSON.stringify({ x: [1, 2] }));
  assert.deepStrictEqual(await client.get('json').json(), { x: [1, 2] });

  for (let i = 0; i < 10; i++) await client.put(`/p/${i}`).value(`${9 - i}`);
  assert.deepStrictEqual(Object.keys(await client.getAll().prefix('/p/').strings()).length, 10);
  assert.deepStrictEqual(await client.getAll().prefix('/p/').sort('Value', 'Ascend').limit(3).keys(),
                         ['/p/9', '/p/8', '/p/7']);
  assert.strictEqual(await client.getAll().prefix('/p/').count(), 10);
  const deleted = await client.delete().prefix('/p/').getPrevious();
  assert.strictEqual(deleted.length, 10);

  const space = client.namespace('ns/');
  await space.put('k').value('v');
  assert.strictEqual(await client.get('ns/k').string(), 'v');

  const created = await client.if('t', 'Version', '==', 0).then(client.put('t').value('1'), client.get('t'))
    .else(client.get('t')).commit();
  assert.strictEqual(created.succeeded, true);
  assert.strictEqual(created.responses[1].response_range.kvs[0].value.toString(), '1');
  const missed = await client.if('t', 'Value', '==', '2').then().else(client.delete().key('t')).commit();
  assert.strictEqual(missed.succeeded, false);
  assert.strictEqual(await client.get('t').string(), null);

  await client.stm().transact(async (tx) => {
    const old = await tx.get('a').number();
    await tx.put('a').value(`${old + 1}`);
  });
  assert.strictEqual(await client.get('a').number(), 2);

  const watcher = await client.watch().prefix('/w/').withPreviousKV().create();
  const events = [];
  const three = new Promise((resolve) => {
    const note = (what) => (kv, previous) => {
      events.push([what, kv.key.toString(), kv.value.toString(), previous ? previous.value.toString() : null]);
      if (events.length === 3) resolve();
    };
    watcher.on('put', note('put'));
    watcher.on('delete', note('delete'));
  });
  await client.put('/w/a').value('1');
  await client.put('/w/a').value('2');
  await client.delete().key('/w/a');
  await three;
  assert.deepStrictEqual(events, [['put', '/w/a', '1', null], ['put', '/w/a', '2', '1'],
                                  ['delete', '/w/a', '', '2']]);
  await watcher.cancel();

  // Leases: kept alive by the client until it lets go (LEA-04).
  const lease = client.lease(2);
  await lease.put('leased').value('1');
  let renewed = 0;
  lease.on('keepaliveSucceeded', () => { renewed++; });
  await new Promise((resolve) => setTimeout(resolve, 4000));
  assert.ok(renewed > 0);
  assert.strictEqual(await client.get('leased').string(), '1');
  await lease.revoke();
  assert.strictEqual(await client.get('leased').string(), null);

  // Locks (LCK-01).
  const lock = client.lock('lock').ttl(20);
  await lock.acquire();
  await assert.rejects(client.lock('lock').ttl(20).acquire(), /Failed to acquire a lock/);
  await lock.release();
  assert.strictEqual(await client.lock('lock').ttl(20).do(async () => 'held'), 'held');

  // Elections (CNC-04).
  const other = new Etcd3({ hosts: process.argv[3] });
  const first = client.election('election', 20);
  const second = other.election('election', 20);
  const firstCampaign = first.campaign('one');
  await new Promise((resolve, reject) => { firstCampaign.on('elected', resolve); firstCampaign.on('error', reject); });
  assert.strictEqual(await second.leader(), 'one');
  const observer = await second.observe();
  const changed = new Promise((resolve) => observer.on('change', (value) => { if (value === 'two') resolve(); }));
  const secondCampaign = second.campaign('two');
  const elected = new Promise((resolve, reject) => { secondCampaign.on('elected', resolve); secondCampaign.on('error', reject); });
  await firstCampaign.resign();
  await elected;
  await changed;
  assert.strictEqual(await first.leader(), 'two');
  await observer.cancel();
  await secondCampaign.resign();
  other.close();

  await assert.rejects(client.put('').value('x'), /key is not provided/);
  await assert.rejects(client.get('a').revision(99999).string(), /required revision is a future revision/);

  const status = await client.maintenance.status();
  assert.strictEqual(status.version, '3.7.1');

  client.close();
}

main().then(() => console.log('done'), (error) => { console.error(error); process.exit(1); });
