// The packages that come with etcd's Go client, as their users call them.
package clients

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
	recipe "go.etcd.io/etcd/client/v3/experimental/recipes"
	"go.etcd.io/etcd/client/v3/kubernetes"
	"go.etcd.io/etcd/client/v3/leasing"
	"go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
)

// CLI-20: what kube-apiserver calls.
func TestKubernetes(t *testing.T) {
	c, err := kubernetes.New(clientv3.Config{Endpoints: []string{os.Getenv("HOLDFAST_ENDPOINT")}})
	check(t, err)
	defer c.Close()
	_, ctx := open(t)
	k := c.Kubernetes
	for i := 0; i < 10; i++ {
		put, err := k.OptimisticPut(ctx, fmt.Sprintf("/registry/pods/%d", i), []byte("v1"), 0, kubernetes.PutOptions{})
		check(t, err)
		expect(t, put.Succeeded, true)
	}
	key := "/registry/pods/3"
	got, err := k.Get(ctx, key, kubernetes.GetOptions{})
	check(t, err)
	first := got.KV.ModRevision
	put, err := k.OptimisticPut(ctx, key, []byte("v2"), first, kubernetes.PutOptions{})
	check(t, err)
	expect(t, put.Succeeded, true)
	put, err = k.OptimisticPut(ctx, key, []byte("late"), first, kubernetes.PutOptions{GetOnFailure: true})
	check(t, err)
	expect(t, put.Succeeded, false)
	expect(t, string(put.KV.Value), "v2")
	page, err := k.List(ctx, "/registry/pods/", kubernetes.ListOptions{Limit: 4})
	check(t, err)
	expect(t, len(page.Kvs), 4)
	expect(t, page.Count, int64(10))
	rest, err := k.List(ctx, "/registry/pods/", kubernetes.ListOptions{
		Revision: page.Revision, Continue: string(page.Kvs[3].Key) + "\x00"})
	check(t, err)
	expect(t, len(rest.Kvs), 6)
	old, err := k.Get(ctx, key, kubernetes.GetOptions{Revision: first})
	check(t, err)
	expect(t, string(old.KV.Value), "v1")
	deleted, err := k.OptimisticDelete(ctx, key, first, kubernetes.DeleteOptions{GetOnFailure: true})
	check(t, err)
	expect(t, deleted.Succeeded, false)
	deleted, err = k.OptimisticDelete(ctx, key, deleted.KV.ModRevision, kubernetes.DeleteOptions{})
	check(t, err)
	expect(t, deleted.Succeeded, true)
	count, err := k.Count(ctx, "/registry/pods/", kubernetes.CountOptions{})
	check(t, err)
	expect(t, count, int64(9))
}

// CNC-06
func TestRecipes(t *testing.T) {
	c, _ := open(t)
	session := func() *concurrency.Session {
		s, err := concurrency.NewSession(c)
		check(t, err)
		t.Cleanup(func() { s.Close() })
		return s
	}

	barrier := recipe.NewBarrier(c, "barrier")
	check(t, barrier.Hold())
	waited := make(chan error)
	go func() { waited <- recipe.NewBarrier(c, "barrier").Wait() }()
	check(t, barrier.Release())
	check(t, <-waited)

	queue := recipe.NewQueue(c, "queue")
	priority := recipe.NewPriorityQueue(c, "priority")
	for i := 0; i < 5; i++ {
		check(t, queue.Enqueue(fmt.Sprint(i)))
		check(t, priority.Enqueue(fmt.Sprint(i), uint16(10-i)))
	}
	for i := 0; i < 5; i++ {
		value, err := queue.Dequeue()
		check(t, err)
		expect(t, value, fmt.Sprint(i))
		value, err = priority.Dequeue()
		check(t, err)
		expect(t, value, fmt.Sprint(4-i))
	}
	dequeued := make(chan string)
	go func() { value, _ := queue.Dequeue(); dequeued <- value }() // waits
	check(t, queue.Enqueue("later"))
	expect(t, <-dequeued, "later")

	readers := []*recipe.RWMutex{recipe.NewRWMutex(session(), "rw"), recipe.NewRWMutex(session(), "rw")}
	for _, reader := range readers {
		check(t, reader.RLock()) // together
	}
	writer := recipe.NewRWMutex(session(), "rw")
	locked := make(chan error)
	go func() { locked <- writer.Lock() }()
	for _, reader := range readers {
		check(t, reader.RUnlock())
	}
	check(t, <-locked)
	check(t, writer.Unlock())

	var all sync.WaitGroup
	for i := 0; i < 3; i++ {
		double := recipe.NewDoubleBarrier(session(), "double", 3)
		all.Add(1)
		go func() {
			defer all.Done()
			if err := double.Enter(); err != nil {
				t.Error(err)
			}
			if err := double.Leave(); err != nil {
				t.Error(err)
			}
		}()
	}
	all.Wait()
}

// CNC-10
func TestLeasing(t *testing.T) {
	c, ctx := open(t)
	one, closeOne, err := leasing.NewKV(c, "leasing/")
	check(t, err)
	defer closeOne()
	two, closeTwo, err := leasing.NewKV(c, "leasing/")
	check(t, err)
	defer closeTwo()
	_, err = c.Put(ctx, "owned", "1")
	check(t, err)
	got, err := one.Get(ctx, "owned") // is its own from now on
	check(t, err)
	expect(t, string(got.Kvs[0].Value), "1")
	for i := 0; i < 3; i++ {
		_, err = two.Put(ctx, "owned", fmt.Sprint(i)) // takes it away
		check(t, err)
		got, err = one.Get(ctx, "owned")
		check(t, err)
		expect(t, string(got.Kvs[0].Value), fmt.Sprint(i))
	}
	committed, err := one.Txn(ctx).If(clientv3.Compare(clientv3.Value("owned"), "=", "2")).
		Then(clientv3.OpDelete("owned")).Commit()
	check(t, err)
	expect(t, committed.Succeeded, true)
	got, err = two.Get(ctx, "owned")
	check(t, err)
	expect(t, len(got.Kvs), 0)
}

// CNC-12
func TestSnapshotFile(t *testing.T) {
	_, ctx := open(t)
	path := filepath.Join(t.TempDir(), "snapshot.db")
	version, err := snapshot.SaveWithVersion(ctx, zap.NewNop(),
		clientv3.Config{Endpoints: []string{os.Getenv("HOLDFAST_ENDPOINT")}}, path)
	check(t, err)
	expect(t, version, "3.7.0")
	info, err := os.Stat(path)
	check(t, err)
	expect(t, info.Size()%512, int64(32))
}

// CSV-03 CLI-05: a transaction's events come in one response, also to who reads the past; and the server knows this client's
// version.
func TestAtomicEventsAndVersion(t *testing.T) {
	c, ctx := open(t)
	watch := c.Watch(ctx, "atomic/", clientv3.WithPrefix(), clientv3.WithCreatedNotify())
	start := (<-watch).Header.Revision + 1
	const transactions, puts = 50, 20
	for i := 0; i < transactions; i++ {
		ops := []clientv3.Op{}
		for n := 0; n < puts; n++ {
			ops = append(ops, clientv3.OpPut(fmt.Sprintf("atomic/%02d", n), fmt.Sprint(i)))
		}
		_, err := c.Txn(ctx).Then(ops...).Commit()
		check(t, err)
	}
	for _, events := range []clientv3.WatchChan{watch, c.Watch(ctx, "atomic/", clientv3.WithPrefix(), clientv3.WithRev(start))} {
		last, seen := start-1, 0
		for seen < transactions*puts {
			response := <-events
			check(t, response.Err())
			byRevision := map[int64]int{}
			for _, e := range response.Events {
				byRevision[e.Kv.ModRevision]++
			}
			revisions := []int64{}
			for revision, count := range byRevision {
				expect(t, count, puts)
				revisions = append(revisions, revision)
			}
			sort.Slice(revisions, func(a, b int) bool { return revisions[a] < revisions[b] })
			for _, revision := range revisions {
				expect(t, revision, last+1)
				last = revision
			}
			expect(t, response.Header.Revision >= last, true)
			seen += len(response.Events)
		}
	}
	page, err := http.Get(os.Getenv("HOLDFAST_ENDPOINT") + "/metrics")
	check(t, err)
	defer page.Body.Close()
	text, err := io.ReadAll(page.Body)
	check(t, err)
	expect(t, strings.Contains(string(text), `etcd_server_client_requests_total{client_api_version="3.7",type="unary"}`) ||
		strings.Contains(string(text), `etcd_server_client_requests_total{type="unary",client_api_version="3.7"}`), true)
}
