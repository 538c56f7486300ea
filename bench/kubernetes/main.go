// Kubernetes measures what it costs to read a large cluster: how long until the world is
// complete, how much memory that takes, and how soon a change is seen.
//
//	make kubestack && go run ./bench/kubernetes --workloads 2000 --pods 10
//
// The API server, etcd and KWOK are real. The controllers are paused and the objects are
// made here, as the controllers would have left them, so that it takes minutes and not an
// hour; KWOK makes the pods run. The reader is a process of its own, whose memory is
// what the operating system says was the most that it had.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/backout-dev/backout"
	source "github.com/backout-dev/backout/internal/ingest/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes"
	"github.com/backout-dev/backout/internal/remote/kubernetes/kubetest"
)

const namespace = "bench"

func main() {
	workloads := flag.Int("workloads", 2000, "how many Deployments")
	pods := flag.Int("pods", 10, "how many pods of each")
	changes := flag.Int("changes", 50, "how many changes are timed")
	read := flag.String("read", "", "a kubeconfig: be the reader (it starts itself so)")
	flag.Parse()
	var err error
	if *read != "" {
		err = reader(*read)
	} else {
		err = measure(*workloads, *pods, *changes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(workloads, pods, changes int) error {
	s, err := kubetest.Open()
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Freeze(); err != nil {
		return err
	}
	began := time.Now()
	if err := fill(s, workloads, pods); err != nil {
		return err
	}
	fmt.Printf("%d workloads and %d pods made in %s\n", workloads, workloads*pods, time.Since(began).Round(time.Second))
	if err := running(s, workloads*pods); err != nil {
		return err
	}
	fmt.Printf("all of them run after %s\n", time.Since(began).Round(time.Second))
	config, err := s.Kubeconfig(kubetest.Tester)
	if err != nil {
		return err
	}
	return ask(s, config, changes)
}

// fill makes Deployments with their ReplicaSets, pods and a ConfigMap each, 16 at a time.
func fill(s *kubetest.Stack, workloads, pods int) error {
	ctx := context.Background()
	if _, err := s.Client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	todo, failed := make(chan int), make(chan error, 16)
	var g sync.WaitGroup
	for range 16 {
		g.Go(func() {
			for i := range todo {
				if err := s.Settle(ctx, namespace, fmt.Sprintf("w%d", i), pods); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	for i := range workloads {
		todo <- i
	}
	close(todo)
	g.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// running waits until KWOK has made all pods run.
func running(s *kubetest.Stack, want int) error {
	for end := time.Now().Add(10 * time.Minute); time.Now().Before(end); time.Sleep(2 * time.Second) {
		left, err := s.Client.CoreV1().Pods(namespace).List(context.Background(), metav1.ListOptions{FieldSelector: "status.phase=Pending", Limit: 1})
		if err != nil {
			return err
		}
		if len(left.Items) == 0 {
			return nil
		}
	}
	return fmt.Errorf("not all of %d pods run", want)
}

// seen is what the reader prints: a line for each thing that it learns.
type seen struct {
	Complete float64 `json:"complete_seconds,omitempty"` // until the world was complete
	Config   string  `json:"config,omitempty"`           // a change of this ConfigMap
	At       int64   `json:"at_ms"`
}

// ask starts the reader, times changes, and reads its memory.
func ask(s *kubetest.Stack, config string, changes int) error {
	cmd := exec.Command(os.Args[0], "--read", config)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	lines := bufio.NewScanner(out)
	next := func() (l seen, err error) {
		if !lines.Scan() {
			return l, fmt.Errorf("the reader has ended: %w", lines.Err())
		}
		return l, json.Unmarshal(lines.Bytes(), &l)
	}
	first, err := next()
	if err != nil {
		return err
	}
	memory, err := peak(cmd.Process.Pid)
	if err != nil {
		return err
	}
	fmt.Printf("world complete after %.1f s, with at most %d MB\n", first.Complete, memory>>20)
	var took []time.Duration
	for i := range changes {
		name := fmt.Sprintf("w%d", i)
		if _, err := s.Client.CoreV1().ConfigMaps(namespace).Patch(context.Background(), name, types.MergePatchType, []byte(`{"data":{"k":"changed"}}`), metav1.PatchOptions{}); err != nil {
			return err
		}
		has := time.Now()
		for {
			l, err := next()
			if err != nil {
				return err
			}
			if strings.Contains(l.Config, ".configmap."+name+"@") {
				took = append(took, time.UnixMilli(l.At).Sub(has))
				break
			}
		}
	}
	slices.Sort(took)
	fmt.Printf("%d changes seen after the API server had them: median %s, at most %s\n", changes, took[len(took)/2].Round(time.Millisecond), took[len(took)-1].Round(time.Millisecond))
	return nil
}

// peak is the most memory that a process has had, in bytes, by Linux' count.
func peak(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kb int64
	_, err = fmt.Sscan(rest, &kb)
	return kb << 10, err
}

// teller prints what it is given to record.
type teller struct{}

func (teller) Record(_ context.Context, list []backout.Observation) error {
	for _, o := range list {
		if err := json.NewEncoder(os.Stdout).Encode(seen{Config: string(o.Component), At: time.Now().UnixMilli()}); err != nil {
			return err
		}
	}
	return nil
}

func reader(kubeconfig string) error {
	began := time.Now()
	cluster, err := kubernetes.Open(kubernetes.Config{Name: "bench", Kubeconfig: kubeconfig, Agent: "bench"})
	if err != nil {
		return err
	}
	src, err := source.New(source.Config{Cluster: cluster, Environment: "bench", Location: "here", Recorder: teller{}})
	if err != nil {
		return err
	}
	go func() {
		for {
			if _, ok := src.Found(); ok {
				_ = json.NewEncoder(os.Stdout).Encode(seen{Complete: time.Since(began).Seconds()})
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return src.Run(context.Background())
}
