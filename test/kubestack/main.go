// Kubestack is Kubernetes in one binary, busybox style: etcd, kube-apiserver,
// kube-controller-manager and kube-scheduler. Which of them it is comes from the name
// it was called by, or else from its first argument.
//
// One binary instead of four, because the libraries are nearly all of each of them:
// linking takes a quarter of the time, and the cache a third of the room.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

// commands has etcd too, which is no cobra command and reads its own flags.
var commands = map[string]func() *cobra.Command{
	"etcd":                    nil,
	"kube-apiserver":          func() *cobra.Command { return apiserver.NewAPIServerCommand() },
	"kube-controller-manager": func() *cobra.Command { return manager.NewControllerManagerCommand() },
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	name, args := filepath.Base(os.Args[0]), os.Args
	if _, ok := commands[name]; !ok && len(os.Args) > 1 {
		name, args = os.Args[1], os.Args[1:]
	}
	os.Args = args
	command, ok := commands[name]
	switch {
	case !ok:
		fmt.Fprintln(os.Stderr, "usage: kubestack etcd|kube-apiserver|kube-controller-manager|kube-scheduler [flags]")
		os.Exit(2)
	case command == nil:
		etcdmain.Main(args)
	default:
		os.Exit(cli.Run(command()))
	}
}
