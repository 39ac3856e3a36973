// Random transcripts with the outputs of etcd-io/raft. tools/raft-random puts this file into a checkout of it, and compares.
package raft_test

import (
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/rafttest"
)

const handlingMax = 3 * time.Second // some scenes never come to rest

type scene struct {
	random  *rand.Rand
	nodes   int
	async   bool
	founded int // index of the first nodes' snapshot
}

func (s *scene) oneIn(n int) bool { return s.random.Intn(n) == 0 }
func (s *scene) node() int        { return 1 + s.random.Intn(s.nodes) }

func (s *scene) some() []int {
	some := s.random.Perm(s.nodes)[:1+s.random.Intn(s.nodes)]
	for i := range some {
		some[i]++
	}
	return some
}

func pick[T any](s *scene, from ...T) T { return from[s.random.Intn(len(from))] }

func list(separator string, numbers []int) string {
	texts := make([]string, len(numbers))
	for i, number := range numbers {
		texts[i] = strconv.Itoa(number)
	}
	return strings.Join(texts, separator)
}

func (s *scene) addNodes() string {
	count := 1
	line := ""
	if s.nodes == 0 {
		count = 1 + s.random.Intn(5)
		var voters, learners []int
		for node := 1; node <= count; node++ {
			switch role := s.random.Intn(6); {
			case role == 0:
				learners = append(learners, node)
			case role > 1 || node == 1:
				voters = append(voters, node)
			}
		}
		if len(voters) > 0 {
			line += " voters=(" + list(",", voters) + ")"
		}
		if len(learners) > 0 {
			line += " learners=(" + list(",", learners) + ")"
		}
		s.founded = 2 + s.random.Intn(10)
		line += fmt.Sprintf(" index=%d", s.founded)
		s.async = s.oneIn(2)
	} else if s.oneIn(2) {
		line += fmt.Sprintf(" voters=(%d) index=%d", 1+s.random.Intn(s.nodes+1), 2+s.random.Intn(5))
	}
	option := func(chance int, text string) {
		if s.oneIn(chance) {
			line += " " + text
		}
	}
	if s.async {
		line += " async-storage-writes=true"
	}
	option(3, "prevote=true")
	option(3, "checkquorum=true"+pick(s, "", "", " read-only=lease-based"))
	option(4, fmt.Sprintf("inflight=%d", 1+s.random.Intn(4)))
	option(5, fmt.Sprintf("max-committed-size-per-ready=%d", 1+s.random.Intn(200)))
	option(8, "disable-conf-change-validation=true")
	option(4, "step-down-on-removal=true")
	s.nodes += count
	return fmt.Sprintf("add-nodes %d%s", count, line)
}

func (s *scene) deliver() string {
	line, dropped := "deliver-msgs", []int{}
	for _, node := range s.some() {
		if s.oneIn(4) {
			dropped = append(dropped, node)
		} else {
			line += fmt.Sprintf(" %d", node)
		}
	}
	if s.oneIn(4) {
		line += " type=" + pick(s, "MsgApp", "MsgAppResp", "MsgVote", "MsgVoteResp", "MsgPreVote", "MsgHeartbeat",
			"MsgHeartbeatResp", "MsgSnap", "MsgTimeoutNow", "MsgProp", "MsgStorageAppendResp", "MsgTransferLeader")
	}
	if len(dropped) > 0 {
		line += " drop=(" + list(",", dropped) + ")"
	}
	return line
}

// Without changes: to leave a joint configuration.
func (s *scene) confChange() string {
	line, count := fmt.Sprintf("propose-conf-change %d", s.node()), s.random.Intn(4)
	if s.oneIn(3) {
		line, count = line+" v1=true", 1
	} else if s.oneIn(2) {
		line += " transition=" + pick(s, "auto", "implicit", "explicit")
	}
	var changes []string
	for range count {
		changes = append(changes, fmt.Sprintf("%s%d", pick(s, "v", "v", "l", "r", "u"), 1+s.random.Intn(s.nodes+1)))
	}
	return line + "\n" + strings.Join(changes, " ")
}

// The timeout is raft's random choice otherwise.
func (s *scene) tick() []string {
	node := s.node()
	if s.oneIn(2) {
		return []string{fmt.Sprintf("set-randomized-election-timeout %d timeout=1000", node), fmt.Sprintf("tick-heartbeat %d", node)}
	}
	return []string{fmt.Sprintf("set-randomized-election-timeout %d timeout=3", node), fmt.Sprintf("tick-election %d", node)}
}

// Directives; the input of one stands behind its line.
func (s *scene) next() []string {
	if s.nodes == 0 || (s.nodes < 6 && s.oneIn(60)) {
		return []string{s.addNodes()}
	}
	switch kind := s.random.Intn(32); {
	case kind < 3:
		return []string{fmt.Sprintf("campaign %d", s.node())}
	case kind < 8:
		return []string{fmt.Sprintf("propose %d data%d", s.node(), s.random.Intn(1000))}
	case kind < 12:
		return []string{s.confChange()}
	case kind < 14:
		return []string{"stabilize"}
	case kind < 16:
		return []string{"stabilize " + list(" ", s.some()) + pick(s, "", "", "", " log-level=none")}
	case kind < 20:
		return []string{s.deliver()}
	case kind < 24:
		return []string{"process-ready " + list(" ", s.some())}
	case kind < 26:
		if !s.async {
			return nil
		}
		return []string{pick(s, "process-append-thread ", "process-apply-thread ") + list(" ", s.some())}
	case kind < 28:
		return s.tick()
	case kind < 29:
		return []string{fmt.Sprintf("transfer-leadership from=%d to=%d", s.node(), s.node())}
	case kind < 30:
		return []string{fmt.Sprintf("%s %d", pick(s, "forget-leader", "status", "raft-log"), s.node())}
	case kind < 31:
		return []string{fmt.Sprintf("%s %d %d", pick(s, "report-unreachable", "send-snapshot"), s.node(), s.node())}
	default:
		if s.oneIn(4) {
			return []string{fmt.Sprintf("compact %d %d", s.node(), s.founded+1+s.random.Intn(4))}
		}
		return []string{pick(s, "raft-state", "log-level "+pick(s, "debug", "info", "warn", "error", "none"))}
	}
}

// False if raft gave up, or finds no end: such a directive is the last, and is left out.
func handle(t *testing.T, env *rafttest.InteractionEnv, d datadriven.TestData) (output string, ok bool) {
	done := make(chan bool, 1)
	go func() {
		defer func() { done <- recover() == nil }()
		output = env.Handle(t, d)
	}()
	select {
	case ok = <-done:
		return output, ok
	case <-time.After(handlingMax):
		return "", false
	}
}

func transcript(t *testing.T, seed int64) string {
	s := &scene{random: rand.New(rand.NewSource(seed))}
	env := rafttest.NewInteractionEnv(&rafttest.InteractionOpts{SetRandomizedElectionTimeout: raft.SetRandomizedElectionTimeout})
	var text strings.Builder
	for range 20 + s.random.Intn(80) {
		for _, directive := range s.next() {
			line, input, _ := strings.Cut(directive, "\n")
			command, arguments, err := datadriven.ParseLine(line)
			if err != nil {
				t.Fatal(err)
			}
			output, ok := handle(t, env, datadriven.TestData{Cmd: command, CmdArgs: arguments, Input: input})
			if !ok {
				return text.String()
			}
			if input != "" {
				line += "\n" + input
			}
			if text.Len() > 0 {
				text.WriteString("\n")
			}
			output = strings.TrimSuffix(output, "\n") + "\n"
			if strings.Contains(output, "\n\n") {
				fmt.Fprintf(&text, "%s\n----\n----\n%s----\n----\n", line, output)
			} else {
				fmt.Fprintf(&text, "%s\n----\n%s", line, output)
			}
		}
	}
	return text.String()
}

func TestRandomTranscripts(t *testing.T) {
	first, _ := strconv.Atoi(os.Getenv("FIRST"))
	last, _ := strconv.Atoi(os.Getenv("LAST"))
	for seed := first; seed <= last; seed++ {
		text := transcript(t, int64(seed))
		// The spaces of a configuration in that line are the choice of each Go program.
		if text == "" || strings.Contains(text, "but it is not in the ConfState") {
			continue
		}
		if err := os.WriteFile(filepath.Join(os.Getenv("FOLDER"), strconv.Itoa(seed)+".txt"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
