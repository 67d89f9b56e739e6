package main

import (
	"context"
	"encoding/json"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// followClaims lets volumes grow with their claims, until ctx ends. What fails is tried again a minute later.
func followClaims(ctx context.Context, client kubernetes.Interface) {
	look := func(object any) {
		claim, ok := object.(*core.PersistentVolumeClaim)
		if !ok || claim.Status.Phase != core.ClaimBound {
			return
		}
		if err := grow(ctx, client, claim); err != nil {
			klog.ErrorS(err, "a volume could not grow", "claim", klog.KObj(claim))
		}
	}
	factory := informers.NewSharedInformerFactory(client, time.Minute)
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	claims.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: look, UpdateFunc: func(_, claim any) { look(claim) }})
	factory.Start(ctx.Done())
}

// grow says of a folder that it has as much as its claim asks for: it has no size of its own, so no node has to do
// anything. Kubernetes has checked that the class allows it.
func grow(ctx context.Context, client kubernetes.Interface, claim *core.PersistentVolumeClaim) error {
	wanted := claim.Spec.Resources.Requests[core.ResourceStorage]
	if wanted.Cmp(claim.Status.Capacity[core.ResourceStorage]) <= 0 {
		return nil
	}
	volumes, name := client.CoreV1().PersistentVolumes(), claim.Spec.VolumeName
	volume, err := volumes.Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return err
	}
	if kind := volume.Annotations[kindAnnotation]; kind != "local" && kind != "shared" {
		return nil
	}
	capacity := map[string]any{"capacity": core.ResourceList{core.ResourceStorage: wanted}}
	ofVolume, err := json.Marshal(map[string]any{"spec": capacity})
	if err != nil {
		return err
	}
	ofClaim, err := json.Marshal(map[string]any{"status": capacity})
	if err != nil {
		return err
	}
	if _, err := volumes.Patch(ctx, name, types.MergePatchType, ofVolume, meta.PatchOptions{}); err != nil {
		return err
	}
	claims := client.CoreV1().PersistentVolumeClaims(claim.Namespace)
	_, err = claims.Patch(ctx, claim.Name, types.MergePatchType, ofClaim, meta.PatchOptions{}, "status")
	return err
}
