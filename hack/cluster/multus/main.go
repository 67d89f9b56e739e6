// Command multus attaches pods to further networks (annotation k8s.v1.cni.cncf.io/networks).
//
// Called by a container runtime it is the CNI plugin Multus. Called as
//
//	multus -kubeconfig FILE -node NAME
//
// it stays and follows changes of that annotation on the node's running pods: it attaches networks that appear there,
// detaches those that go, and writes the result into k8s.v1.cni.cncf.io/network-status.
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/version"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/k8sclient"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/multus"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

func main() {
	if os.Getenv("CNI_COMMAND") != "" {
		plugin()
		return
	}
	flag.CommandLine = flag.NewFlagSet(os.Args[0], flag.ExitOnError)
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	node := flag.String("node", "", "name of this node")
	binaries := flag.String("binaries", "/usr/lib/cni", "folder of the CNI plugins")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	client, err := k8sclient.GetK8sClient(*kubeconfig, nil)
	if err != nil || client == nil {
		klog.Fatalf("no client from %q: %v", *kubeconfig, err)
	}
	follow(ctx, &attacher{client: client, binaries: *binaries}, *node)
}

func plugin() {
	skel.PluginMainFuncs(
		skel.CNIFuncs{
			Add: func(args *skel.CmdArgs) error {
				result, err := multus.CmdAdd(args, nil, nil)
				if err != nil {
					return err
				}
				return result.Print()
			},
			Del:    func(args *skel.CmdArgs) error { return multus.CmdDel(args, nil, nil) },
			Check:  func(args *skel.CmdArgs) error { return multus.CmdCheck(args, nil, nil) },
			GC:     func(args *skel.CmdArgs) error { return multus.CmdGC(args, nil, nil) },
			Status: func(args *skel.CmdArgs) error { return multus.CmdStatus(args, nil, nil) },
		},
		version.All, "attaches pods to several networks",
	)
}

// follow reconciles each pod of the node whenever it changes; what fails is tried again with growing pauses.
func follow(ctx context.Context, a *attacher, node string) {
	limits := workqueue.NewTypedItemExponentialFailureRateLimiter[string](200*time.Millisecond, time.Minute)
	queue := workqueue.NewTypedRateLimitingQueue(limits)
	add := func(object any) {
		if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
			queue.Add(key)
		}
	}
	here := fields.OneTermEqualSelector("spec.nodeName", node)
	store, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: cache.NewListWatchFromClient(a.client.Client.CoreV1().RESTClient(), "pods", core.NamespaceAll, here),
		ObjectType:    &core.Pod{},
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    add,
			UpdateFunc: func(_, pod any) { add(pod) },
		},
	})
	go func() { <-ctx.Done(); queue.ShutDown() }()
	go informer.Run(ctx.Done())
	for {
		key, quit := queue.Get()
		if quit {
			return
		}
		if err := reconcile(a, store, key); err != nil {
			klog.Errorf("%s: %v", key, err)
			queue.AddRateLimited(key)
		} else {
			queue.Forget(key)
		}
		queue.Done(key)
	}
}

func reconcile(a *attacher, store cache.Store, key string) error {
	object, exists, err := store.GetByKey(key)
	if err != nil || !exists {
		return err
	}
	return a.reconcile(object.(*core.Pod))
}
