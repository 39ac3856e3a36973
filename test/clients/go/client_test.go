// What users of etcd's Go client call, against the server at $HOLDFAST_ENDPOINT. Each test has keys of its own.
package clients

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/clientv3util"
	"go.etcd.io/etcd/client/v3/concurrency"
	"go.etcd.io/etcd/client/v3/mirror"
	"go.etcd.io/etcd/client/v3/namespace"
	"go.etcd.io/etcd/client/v3/naming/endpoints"
	"go.etcd.io/etcd/client/v3/ordering"
)

func open(t *testing.T) (*clientv3.Client, context.Context) {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{os.Getenv("HOLDFAST_ENDPOINT")}, DialTimeout: 20 * time.Second, RejectOldCluster: true})
	check(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(func() { cancel(); client.Close() })
	return client, ctx
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

// CLI-03 CLI-07 CLI-08 CLI-11 CLI-12
func TestKV(t *testing.T) {
	c, ctx := open(t)
	for i := 0; i < 10; i++ {
		_, err := c.Put(ctx, fmt.Sprintf("kv/%d", i), strconv.Itoa(9-i))
		check(t, err)
	}
	got, err := c.Get(ctx, "kv/", clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByValue, clientv3.SortAscend),
		clientv3.WithLimit(3))
	check(t, err)
	expect(t, len(got.Kvs), 3)
	expect(t, string(got.Kvs[0].Key), "kv/9")
	expect(t, got.More, true)
	expect(t, got.Count, int64(10))
	got, err = c.Get(ctx, "kv/7", clientv3.WithFromKey(), clientv3.WithLimit(2), clientv3.WithKeysOnly(), clientv3.WithSerializable())
	check(t, err)
	expect(t, len(got.Kvs), 2)
	expect(t, len(got.Kvs[0].Value), 0)
	got, err = c.Get(ctx, "kv/", clientv3.WithLastRev()...)
	check(t, err)
	expect(t, string(got.Kvs[0].Key), "kv/9")
	old := got.Header.Revision
	put, err := c.Put(ctx, "kv/0", "new", clientv3.WithPrevKV())
	check(t, err)
	expect(t, string(put.PrevKv.Value), "9")
	got, err = c.Get(ctx, "kv/0", clientv3.WithRev(old))
	check(t, err)
	expect(t, string(got.Kvs[0].Value), "9")
	deleted, err := c.Delete(ctx, "kv/", clientv3.WithPrefix(), clientv3.WithPrevKV())
	check(t, err)
	expect(t, deleted.Deleted, int64(10))
	expect(t, len(deleted.PrevKvs), 10)
	_, err = c.Get(ctx, "kv/0", clientv3.WithRev(1<<40))
	expect(t, errors.Is(err, rpctypes.ErrFutureRev), true)
	check(t, c.Sync(ctx))
	expect(t, c.Endpoints()[0], os.Getenv("HOLDFAST_ENDPOINT"))
}

// CLI-17: Range in chunks.
func TestGetStream(t *testing.T) {
	c, ctx := open(t)
	for i := 0; i < 50; i++ {
		_, err := c.Put(ctx, fmt.Sprintf("stream/%02d", i), "v")
		check(t, err)
	}
	stream, err := c.GetStream(ctx, "stream/", clientv3.WithPrefix())
	check(t, err)
	all, err := clientv3.GetStreamToGetResponse(stream)
	check(t, err)
	expect(t, len(all.Kvs), 50)
	expect(t, all.Count, int64(50))
}

// CLI-13 CLI-19
func TestTxn(t *testing.T) {
	c, ctx := open(t)
	create := func() *clientv3.TxnResponse {
		r, err := c.Txn(ctx).If(clientv3util.KeyMissing("txn/a")).Then(clientv3.OpPut("txn/a", "1"), clientv3.OpGet("txn/a")).
			Else(clientv3.OpTxn([]clientv3.Cmp{clientv3.Compare(clientv3.Value("txn/a"), "=", "1")},
				[]clientv3.Op{clientv3.OpDelete("txn/a")}, nil)).Commit()
		check(t, err)
		return r
	}
	first, second := create(), create()
	expect(t, first.Succeeded, true)
	expect(t, string(first.Responses[1].GetResponseRange().Kvs[0].Value), "1")
	expect(t, second.Succeeded, false)
	expect(t, second.Responses[0].GetResponseTxn().Responses[0].GetResponseDeleteRange().Deleted, int64(1))
	_, err := c.Txn(ctx).Then(clientv3.OpPut("txn/b", "1"), clientv3.OpPut("txn/b", "2")).Commit()
	expect(t, errors.Is(err, rpctypes.ErrDuplicateKey), true)
}

// CLI-15 CSV-02 CSV-04 WAT-17
func TestWatch(t *testing.T) {
	c, ctx := open(t)
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	watch := c.Watch(ctx, "watch/", clientv3.WithPrefix(), clientv3.WithPrevKV(), clientv3.WithCreatedNotify(), clientv3.WithFragment())
	created := <-watch
	expect(t, created.Created, true)
	start := created.Header.Revision
	for i := 0; i < 20; i++ {
		_, err := c.Put(ctx, "watch/k", strconv.Itoa(i))
		check(t, err)
	}
	_, err := c.Delete(ctx, "watch/k")
	check(t, err)
	last, err := c.Put(ctx, "elsewhere", "")
	check(t, err)
	seen := 0
	for seen < 21 {
		response := <-watch
		check(t, response.Err())
		for _, e := range response.Events {
			expect(t, e.Kv.ModRevision, start+int64(seen)+1)
			if seen == 20 {
				expect(t, e.Type, mvccpb.Event_DELETE)
				expect(t, string(e.PrevKv.Value), "19")
			} else {
				expect(t, string(e.Kv.Value), strconv.Itoa(seen))
				expect(t, e.IsCreate(), seen == 0)
			}
			seen++
		}
	}
	check(t, c.RequestProgress(ctx))
	for progress := range watch {
		if progress.IsProgressNotify() && progress.Header.Revision >= last.Header.Revision {
			break
		}
	}
	// From the past, with a filter.
	past := c.Watch(ctx, "watch/k", clientv3.WithRev(start+1), clientv3.WithFilterPut())
	response := <-past
	expect(t, len(response.Events), 1)
	cancel()
	for range watch {
	}
	// What was compacted can't be watched any more.
	c2, ctx2 := open(t)
	_, err = c2.Compact(ctx2, last.Header.Revision, clientv3.WithCompactPhysical())
	check(t, err)
	compacted := <-c2.Watch(ctx2, "watch/", clientv3.WithRev(start))
	expect(t, errors.Is(compacted.Err(), rpctypes.ErrCompacted), true)
	expect(t, compacted.CompactRevision, last.Header.Revision)
}

// CLI-16 CSV-05
func TestLease(t *testing.T) {
	c, ctx := open(t)
	lease, err := c.Grant(ctx, 5)
	check(t, err)
	_, err = c.Put(ctx, "lease/k", "v", clientv3.WithLease(lease.ID))
	check(t, err)
	alive, err := c.KeepAlive(ctx, lease.ID)
	check(t, err)
	for i := 0; i < 2; i++ {
		expect(t, (<-alive).TTL, int64(5))
	}
	left, err := c.TimeToLive(ctx, lease.ID, clientv3.WithAttachedKeys())
	check(t, err)
	expect(t, left.GrantedTTL, int64(5))
	expect(t, string(left.Keys[0]), "lease/k")
	all, err := c.Leases(ctx)
	check(t, err)
	expect(t, len(all.Leases) > 0, true)
	_, err = c.Revoke(ctx, lease.ID)
	check(t, err)
	got, err := c.Get(ctx, "lease/k")
	check(t, err)
	expect(t, len(got.Kvs), 0)
	for range alive { // ends
	}
	_, err = c.KeepAliveOnce(ctx, lease.ID)
	expect(t, errors.Is(err, rpctypes.ErrLeaseNotFound), true)
	left, err = c.TimeToLive(ctx, lease.ID)
	check(t, err)
	expect(t, left.TTL, int64(-1))
}

// CNC-01 CNC-02 CNC-03
func TestMutex(t *testing.T) {
	c, ctx := open(t)
	held, total := 0, 0
	var all sync.WaitGroup
	for i := 0; i < 5; i++ {
		session, err := concurrency.NewSession(c, concurrency.WithTTL(20))
		check(t, err)
		defer session.Close()
		all.Add(1)
		go func() {
			defer all.Done()
			mutex := concurrency.NewMutex(session, "mutex")
			for n := 0; n < 5; n++ {
				if err := mutex.Lock(ctx); err != nil {
					t.Error(err)
					return
				}
				held++
				if held != 1 {
					t.Errorf("%d hold it", held)
				}
				total++
				held--
				if err := mutex.Unlock(ctx); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	all.Wait()
	expect(t, total, 25)
	one, err := concurrency.NewSession(c)
	check(t, err)
	two, err := concurrency.NewSession(c)
	check(t, err)
	defer two.Close()
	mutex, other := concurrency.NewMutex(one, "mutex"), concurrency.NewMutex(two, "mutex")
	check(t, mutex.Lock(ctx))
	expect(t, errors.Is(other.TryLock(ctx), concurrency.ErrLocked), true)
	check(t, one.Close()) // revokes
	check(t, other.Lock(ctx))
	check(t, other.Unlock(ctx))
	expect(t, errors.Is(other.Unlock(ctx), concurrency.ErrLockReleased), true)
}

// CNC-04
func TestElection(t *testing.T) {
	c, ctx := open(t)
	one, err := concurrency.NewSession(c)
	check(t, err)
	two, err := concurrency.NewSession(c)
	check(t, err)
	defer two.Close()
	first, second := concurrency.NewElection(one, "election"), concurrency.NewElection(two, "election")
	_, err = first.Leader(ctx)
	expect(t, errors.Is(err, concurrency.ErrElectionNoLeader), true)
	check(t, first.Campaign(ctx, "one"))
	observed := second.Observe(ctx)
	expect(t, string((<-observed).Kvs[0].Value), "one")
	check(t, first.Proclaim(ctx, "still one"))
	expect(t, string((<-observed).Kvs[0].Value), "still one")
	elected := make(chan error)
	go func() { elected <- second.Campaign(ctx, "two") }()
	check(t, one.Close()) // its lease goes, and its candidacy with it
	check(t, <-elected)
	expect(t, string((<-observed).Kvs[0].Value), "two")
	expect(t, errors.Is(first.Proclaim(ctx, "x"), concurrency.ErrElectionNotLeader), true)
	check(t, second.Resign(ctx))
}

// CNC-05
func TestSTM(t *testing.T) {
	c, ctx := open(t)
	for _, key := range []string{"stm/a", "stm/b"} {
		_, err := c.Put(ctx, key, "100")
		check(t, err)
	}
	levels := []concurrency.Isolation{concurrency.SerializableSnapshot, concurrency.Serializable, concurrency.RepeatableReads}
	var all sync.WaitGroup
	for i := 0; i < 6; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			_, err := concurrency.NewSTM(c, func(stm concurrency.STM) error {
				a, _ := strconv.Atoi(stm.Get("stm/a"))
				b, _ := strconv.Atoi(stm.Get("stm/b"))
				stm.Put("stm/a", strconv.Itoa(a-1))
				stm.Put("stm/b", strconv.Itoa(b+1))
				return nil
			}, concurrency.WithIsolation(levels[i%3]), concurrency.WithPrefetch("stm/a", "stm/b"))
			if err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	got, err := c.Get(ctx, "stm/", clientv3.WithPrefix())
	check(t, err)
	expect(t, string(got.Kvs[0].Value)+" "+string(got.Kvs[1].Value), "94 106")
}

// CNC-07 CNC-08
func TestNamespaceAndOrdering(t *testing.T) {
	c, ctx := open(t)
	kv := namespace.NewKV(c.KV, "ns/")
	watch := namespace.NewWatcher(c.Watcher, "ns/").Watch(ctx, "k")
	_, err := kv.Put(ctx, "k", "v")
	check(t, err)
	got, err := c.Get(ctx, "ns/k")
	check(t, err)
	expect(t, string(got.Kvs[0].Value), "v")
	response := <-watch
	expect(t, string(response.Events[0].Kv.Key), "k")
	got, err = kv.Get(ctx, "\x00", clientv3.WithFromKey())
	check(t, err)
	expect(t, string(got.Kvs[0].Key), "k")
	ordered := ordering.NewKV(c.KV, func(clientv3.Op, clientv3.OpResponse, int64) error { return errors.New("went back") })
	for i := 0; i < 10; i++ {
		_, err = ordered.Put(ctx, "ordered", "v")
		check(t, err)
		_, err = ordered.Get(ctx, "ordered", clientv3.WithSerializable())
		check(t, err)
	}
}

// CNC-09
func TestMirror(t *testing.T) {
	c, ctx := open(t)
	for i := 0; i < 30; i++ {
		_, err := c.Put(ctx, fmt.Sprintf("mirror/%d", i), "v")
		check(t, err)
	}
	syncer := mirror.NewSyncer(c, "mirror/", 0)
	base, failed := syncer.SyncBase(ctx)
	copied := 0
	for r := range base {
		copied += len(r.Kvs)
	}
	check(t, <-failed)
	expect(t, copied, 30)
	updates := syncer.SyncUpdates(ctx)
	_, err := c.Put(ctx, "mirror/new", "v")
	check(t, err)
	expect(t, string((<-updates).Events[0].Kv.Key), "mirror/new")
}

// CNC-11
func TestNaming(t *testing.T) {
	c, ctx := open(t)
	manager, err := endpoints.NewManager(c, "service")
	check(t, err)
	watch, err := manager.NewWatchChannel(ctx)
	check(t, err)
	check(t, manager.AddEndpoint(ctx, "service/1", endpoints.Endpoint{Addr: "10.0.0.1:80"}))
	for updates := range watch {
		if len(updates) == 1 {
			expect(t, updates[0].Endpoint.Addr, "10.0.0.1:80")
			break
		}
	}
	all, err := manager.List(ctx)
	check(t, err)
	expect(t, all["service/1"].Addr, "10.0.0.1:80")
	check(t, manager.DeleteEndpoint(ctx, "service/1"))
}

// CLI-18 CSV-07
func TestMaintenance(t *testing.T) {
	c, ctx := open(t)
	endpoint := c.Endpoints()[0]
	status, err := c.Status(ctx, endpoint)
	check(t, err)
	expect(t, status.Version, "3.7.1")
	hash, err := c.HashKV(ctx, endpoint, 0)
	check(t, err)
	expect(t, hash.HashRevision > 0, true)
	_, err = c.Defragment(ctx, endpoint)
	check(t, err)
	alarms, err := c.AlarmList(ctx)
	check(t, err)
	expect(t, len(alarms.Alarms), 0)
	_, err = c.AlarmDisarm(ctx, &clientv3.AlarmMember{})
	check(t, err)
	members, err := c.MemberList(ctx)
	check(t, err)
	expect(t, len(members.Members), 1)
	expect(t, members.Members[0].ClientURLs[0], endpoint)
	snapshot, err := c.SnapshotWithVersion(ctx)
	check(t, err)
	expect(t, snapshot.Version, "3.7.0")
	bytes, err := io.ReadAll(snapshot.Snapshot)
	check(t, err)
	check(t, snapshot.Snapshot.Close())
	expect(t, len(bytes)%512, 32) // pages, and a sha256 behind them
}
