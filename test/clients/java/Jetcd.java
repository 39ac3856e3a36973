// What users of jetcd call. Arguments: the address, and what of it: "calls", or "restart" for a watcher that lives while
// the server dies, which says what it sees and ends with its standard input. Fails if an answer is wrong.
import static java.nio.charset.StandardCharsets.UTF_8;

import io.etcd.jetcd.ByteSequence;
import io.etcd.jetcd.Client;
import io.etcd.jetcd.Election;
import io.etcd.jetcd.KV;
import io.etcd.jetcd.Lease;
import io.etcd.jetcd.Watch;
import io.etcd.jetcd.election.CampaignResponse;
import io.etcd.jetcd.election.LeaderKey;
import io.etcd.jetcd.election.LeaderResponse;
import io.etcd.jetcd.kv.GetResponse;
import io.etcd.jetcd.kv.PutResponse;
import io.etcd.jetcd.kv.TxnResponse;
import io.etcd.jetcd.lease.LeaseKeepAliveResponse;
import io.etcd.jetcd.lease.LeaseTimeToLiveResponse;
import io.etcd.jetcd.op.Cmp;
import io.etcd.jetcd.op.CmpTarget;
import io.etcd.jetcd.op.Op;
import io.etcd.jetcd.options.DeleteOption;
import io.etcd.jetcd.options.GetOption;
import io.etcd.jetcd.options.LeaseOption;
import io.etcd.jetcd.options.PutOption;
import io.etcd.jetcd.options.WatchOption;
import io.etcd.jetcd.support.CloseableClient;
import io.etcd.jetcd.watch.WatchEvent;
import io.etcd.jetcd.watch.WatchResponse;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayOutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Collectors;

public final class Jetcd {
  private static final long SECONDS_MAX = 20;

  private static ByteSequence bytes(String text) {
    return ByteSequence.from(text, UTF_8);
  }

  private static void same(Object wanted, Object found) {
    if (!Objects.equals(wanted, found)) throw new AssertionError("found " + found + " instead of " + wanted);
  }

  private static <T> T of(CompletableFuture<T> future) throws Exception {
    return future.get(SECONDS_MAX, TimeUnit.SECONDS);
  }

  private static <T> T next(BlockingQueue<T> queue) throws Exception {
    T found = queue.poll(SECONDS_MAX, TimeUnit.SECONDS);
    if (found == null) throw new TimeoutException("nothing came");
    return found;
  }

  private static String failure(CompletableFuture<?> future) throws Exception {
    try {
      of(future);
    } catch (ExecutionException expected) {
      return expected.getCause().toString();
    }
    throw new AssertionError("no error");
  }

  private static List<String> pairs(GetResponse answer) {
    return answer.getKvs().stream().map(kv -> kv.getKey().toString(UTF_8) + "=" + kv.getValue().toString(UTF_8))
        .collect(Collectors.toList());
  }

  private static void kv(KV kv) throws Exception {
    PutResponse first = of(kv.put(bytes("a"), bytes("1")));
    same(false, first.hasPrevKv());
    PutResponse second = of(kv.put(bytes("a"), bytes("2"), PutOption.builder().withPrevKV().build()));
    same("1", second.getPrevKv().getValue().toString(UTF_8));
    same(first.getHeader().getRevision() + 1, second.getHeader().getRevision());
    same(List.of("a=2"), pairs(of(kv.get(bytes("a")))));
    same(List.of("a=1"), pairs(of(kv.get(bytes("a"),
        GetOption.builder().withRevision(first.getHeader().getRevision()).build()))));
    same(List.of(), pairs(of(kv.get(bytes("none")))));

    for (int i = 0; i < 5; ++i) of(kv.put(bytes("/p/" + i), bytes("" + (9 - i))));
    GetResponse some = of(kv.get(bytes("/p/"), GetOption.builder().isPrefix(true).withLimit(2)
        .withSortField(GetOption.SortTarget.VALUE).withSortOrder(GetOption.SortOrder.ASCEND).build()));
    same(List.of("/p/4=5", "/p/3=6"), pairs(some));
    same(5L, some.getCount());
    same(true, some.isMore());
    same(5L, of(kv.delete(bytes("/p/"), DeleteOption.builder().isPrefix(true).build())).getDeleted());

    long revision = second.getHeader().getRevision();
    of(kv.compact(revision));
    String compacted = failure(kv.get(bytes("a"), GetOption.builder().withRevision(revision - 1).build()));
    same(true, compacted.contains("etcdserver: mvcc: required revision has been compacted"));
    same(true, failure(kv.put(bytes(""), bytes("1"))).contains("etcdserver: key is not provided"));
  }

  private static void txn(KV kv) throws Exception {
    Op get = Op.get(bytes("t"), GetOption.DEFAULT);
    Cmp isNew = new Cmp(bytes("t"), Cmp.Op.EQUAL, CmpTarget.version(0));
    // All is compared before anything is done (TXN-09), and done in order.
    Op nested = Op.txn(new Cmp[] {isNew}, new Op[] {get}, new Op[] {});
    TxnResponse made = of(kv.txn().If(isNew).Then(Op.put(bytes("t"), bytes("1"), PutOption.DEFAULT), get, nested).commit());
    same(true, made.isSucceeded());
    same(List.of("t=1"), pairs(made.getGetResponses().get(0)));
    same(true, made.getTxnResponses().get(0).isSucceeded());
    same(List.of("t=1"), pairs(made.getTxnResponses().get(0).getGetResponses().get(0)));
    TxnResponse missed = of(kv.txn().If(isNew).Then(get).Else(Op.delete(bytes("t"), DeleteOption.DEFAULT)).commit());
    same(false, missed.isSucceeded());
    same(1L, missed.getDeleteResponses().get(0).getDeleted());
    Op put = Op.put(bytes("t"), bytes("1"), PutOption.DEFAULT);
    same(true, failure(kv.txn().Then(put, put).commit()).contains("etcdserver: duplicate key given in txn request"));
  }

  private static void watch(Client client, KV kv) throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    BlockingQueue<Boolean> created = new LinkedBlockingQueue<>();
    WatchOption option = WatchOption.builder().isPrefix(true).withPrevKV(true).withCreateNotify(true).build();
    Watch.Watcher watcher = client.getWatchClient().watch(bytes("/w/"), option, (WatchResponse answer) -> {
      if (answer.isCreatedNotify()) created.add(true);
      for (WatchEvent event : answer.getEvents())
        seen.add(event.getEventType() + " " + event.getKeyValue().getKey().toString(UTF_8) + " "
            + event.getKeyValue().getValue().toString(UTF_8) + " " + event.getPrevKV().getValue().toString(UTF_8));
    });
    next(created);
    long revision = of(kv.put(bytes("/w/a"), bytes("1"))).getHeader().getRevision();
    of(kv.put(bytes("/w/a"), bytes("2")));
    of(kv.delete(bytes("/w/a")));
    for (String wanted : List.of("PUT /w/a 1 ", "PUT /w/a 2 1", "DELETE /w/a  2")) same(wanted, next(seen));
    watcher.close();

    BlockingQueue<Long> past = new LinkedBlockingQueue<>();
    Watch.Watcher late = client.getWatchClient().watch(bytes("/w/a"),
        WatchOption.builder().withRevision(revision).withNoDelete(true).build(), (WatchResponse answer) -> {
          for (WatchEvent event : answer.getEvents()) past.add(event.getKeyValue().getModRevision());
        });
    for (long i = 0; i < 2; ++i) same(revision + i, next(past));
    late.close();

    BlockingQueue<Throwable> errors = new LinkedBlockingQueue<>();
    Watch.Watcher compacted = client.getWatchClient().watch(bytes("/w/a"), WatchOption.builder().withRevision(1).build(),
        (WatchResponse answer) -> { }, errors::add);
    same(true, next(errors).getMessage().contains("etcdserver: mvcc: required revision has been compacted"));
    compacted.close();
  }

  private static void lease(Lease lease, KV kv) throws Exception {
    long id = of(lease.grant(2)).getID();
    of(kv.put(bytes("leased"), bytes("1"), PutOption.builder().withLeaseId(id).build()));
    BlockingQueue<Long> kept = new LinkedBlockingQueue<>();
    CloseableClient keeper = lease.keepAlive(id, new StreamObserver<LeaseKeepAliveResponse>() {
      @Override public void onNext(LeaseKeepAliveResponse answer) {
        kept.add(answer.getTTL());
      }
      @Override public void onError(Throwable error) {
        kept.add(-1L);
      }
      @Override public void onCompleted() { }
    });
    // More than the two seconds that it would live: it is kept every 0.7 s.
    for (int i = 0; i < 5; ++i) same(2L, next(kept));
    keeper.close();
    LeaseTimeToLiveResponse left = of(lease.timeToLive(id, LeaseOption.builder().withAttachedKeys().build()));
    same(2L, left.getGrantedTTL());
    same(List.of(bytes("leased")), left.getKeys());
    same(2L, of(lease.keepAliveOnce(id)).getTTL());
    of(lease.revoke(id));
    same(0L, of(kv.get(bytes("leased"))).getCount());
    same(true, failure(lease.revoke(id)).contains("etcdserver: requested lease not found"));
  }

  private static void lock(Client client) throws Exception {
    long mine = of(client.getLeaseClient().grant(20)).getID();
    long other = of(client.getLeaseClient().grant(20)).getID();
    ByteSequence held = of(client.getLockClient().lock(bytes("lock"), mine)).getKey();
    CompletableFuture<?> waiting = client.getLockClient().lock(bytes("lock"), other);
    try {
      waiting.get(300, TimeUnit.MILLISECONDS);
      throw new AssertionError("two hold one lock");
    } catch (TimeoutException expected) {
      of(client.getLockClient().unlock(held));
    }
    of(waiting);
  }

  private static void election(Client client) throws Exception {
    Election election = client.getElectionClient();
    long mine = of(client.getLeaseClient().grant(20)).getID();
    long other = of(client.getLeaseClient().grant(20)).getID();
    BlockingQueue<String> leaders = new LinkedBlockingQueue<>();
    same(true, failure(election.leader(bytes("e"))).contains("NoLeaderException"));
    LeaderKey leader = of(election.campaign(bytes("e"), mine, bytes("one"))).getLeader();
    election.observe(bytes("e"), new Election.Listener() {
      @Override public void onNext(LeaderResponse answer) {
        leaders.add(answer.getKv().getValue().toString(UTF_8));
      }
      @Override public void onError(Throwable error) { }
      @Override public void onCompleted() { }
    });
    same("one", next(leaders));
    CompletableFuture<CampaignResponse> second = election.campaign(bytes("e"), other, bytes("two"));
    of(election.proclaim(leader, bytes("one again")));
    same("one again", next(leaders));
    same("one again", of(election.leader(bytes("e"))).getKv().getValue().toString(UTF_8));
    of(election.resign(leader));
    of(second);
    same("two", next(leaders));
    same(true, failure(election.proclaim(leader, bytes("late"))).contains("NotLeaderException"));
  }

  private static void others(Client client, String address) throws Exception {
    same(1, of(client.getClusterClient().listMember()).getMembers().size());
    same(true, of(client.getMaintenanceClient().statusMember(address)).getDbSize() > 0);
    same(0, of(client.getMaintenanceClient().listAlarms()).getAlarms().size());
    ByteArrayOutputStream snapshot = new ByteArrayOutputStream();
    long size = of(client.getMaintenanceClient().snapshot(snapshot));
    same(size, (long) snapshot.size());
    same(true, size > 0);
  }

  private static void calls(String address) throws Exception {
    try (Client client = Client.builder().endpoints(address).build()) {
      KV kv = client.getKVClient();
      kv(kv);
      txn(kv);
      watch(client, kv);
      lease(client.getLeaseClient(), kv);
      lock(client);
      election(client);
      others(client, address);
    }
    ByteSequence space = bytes("ns/");
    try (Client client = Client.builder().endpoints(address).namespace(space).build();
         Client all = Client.builder().endpoints(address).build()) {
      of(client.getKVClient().put(bytes("k"), bytes("v")));
      same(List.of("ns/k=v"), pairs(of(all.getKVClient().get(bytes("ns/k")))));
    }
    System.out.println("done");
  }

  private static void restart(String address) throws Exception {
    try (Client client = Client.builder().endpoints(address).retryDelay(100).build()) {
      List<String> seen = new ArrayList<>();
      WatchOption option = WatchOption.builder().isPrefix(true).withCreateNotify(true).build();
      boolean[] told = {false};
      client.getWatchClient().watch(bytes("w/"), option, (WatchResponse answer) -> {
        if (answer.isCreatedNotify() && !told[0]) System.out.println("watching");
        told[0] = true;
        for (WatchEvent event : answer.getEvents()) {
          seen.add(event.getKeyValue().getKey().toString(UTF_8));
          System.out.println("seen " + seen.size());
        }
      });
      System.in.read();
      System.out.println(seen);
    }
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments[1].equals("restart")) {
      restart(arguments[0]);
    } else {
      calls(arguments[0]);
    }
    System.exit(0);  // its threads may linger
  }
}
