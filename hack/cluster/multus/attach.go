package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containernetworking/cni/pkg/skel"
	cni "github.com/containernetworking/cni/pkg/types"
	netv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/utils"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/k8sclient"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/multus"
	"gopkg.in/k8snetworkplumbingwg/multus-cni.v4/pkg/types"
	core "k8s.io/api/core/v1"
)

const (
	sandboxes = "/var/lib/cni/results" // where the container runtime's CNI library keeps what it did
	delegates = "/var/lib/cni/multus"  // where Multus keeps what a sandbox's DEL has to undo
	config    = "multus-cni-network"
)

type attacher struct {
	client   *k8sclient.ClientInfo
	binaries string
}

// sandbox is the part of the CNI library's cache that tells which namespace belongs to a pod.
type sandbox struct {
	ContainerID string      `json:"containerId"`
	NetNS       string      `json:"netns"`
	Args        [][2]string `json:"cniArgs"`
}

// reconcile makes the pod's attachments those of its annotation. Pods that Multus has not reported on yet are left
// alone: their first attachments are being made.
func (a *attacher) reconcile(pod *core.Pod) error {
	if pod.Status.Phase != core.PodRunning || pod.DeletionTimestamp != nil || pod.Annotations[netv1.NetworkStatusAnnot] == "" {
		return nil
	}
	statuses, err := utils.GetNetworkStatus(pod)
	if err != nil {
		return err
	}
	wanted, err := elements(pod)
	if err != nil {
		return err
	}
	added, removed := difference(wanted, statuses)
	if len(added)+len(removed) == 0 {
		return nil
	}
	box, err := find(pod)
	if err != nil {
		return err
	}
	var failures []error
	for _, status := range removed {
		if err := a.detach(pod, box, status.Interface); err != nil {
			failures = append(failures, err)
			continue
		}
		statuses = without(statuses, status.Interface)
	}
	for _, element := range added {
		made, err := a.attach(pod, box, element)
		if err != nil {
			failures = append(failures, err)
			continue
		}
		statuses = append(statuses, made...)
	}
	return errors.Join(append(failures, utils.SetNetworkStatus(a.client.Client, pod, statuses))...)
}

// elements are the annotation's entries; those without an interface get the names that Multus gives.
func elements(pod *core.Pod) ([]*netv1.NetworkSelectionElement, error) {
	if pod.Annotations[netv1.NetworkAttachmentAnnot] == "" {
		return nil, nil
	}
	found, err := utils.ParsePodNetworkAnnotation(pod)
	for index, element := range found {
		if element.InterfaceRequest == "" {
			element.InterfaceRequest = fmt.Sprintf("net%d", index+1)
		}
	}
	return found, err
}

func difference(wanted []*netv1.NetworkSelectionElement, statuses []netv1.NetworkStatus) (
	added []*netv1.NetworkSelectionElement, removed []netv1.NetworkStatus,
) {
	has, wants := map[string]bool{}, map[string]bool{}
	for _, status := range statuses {
		has[status.Interface] = true
	}
	for _, element := range wanted {
		wants[element.InterfaceRequest] = true
		if !has[element.InterfaceRequest] {
			added = append(added, element)
		}
	}
	for _, status := range statuses {
		if !status.Default && status.Interface != "" && !wants[status.Interface] {
			removed = append(removed, status)
		}
	}
	return added, removed
}

func without(statuses []netv1.NetworkStatus, name string) []netv1.NetworkStatus {
	var left []netv1.NetworkStatus
	for _, status := range statuses {
		if status.Interface != name {
			left = append(left, status)
		}
	}
	return left
}

// attach adds one network. The delegate is recorded first, so that the sandbox's end undoes it in any case.
func (a *attacher) attach(pod *core.Pod, box *sandbox, element *netv1.NetworkSelectionElement) ([]netv1.NetworkStatus, error) {
	conf := a.conf()
	selected := &types.NetworkSelectionElement{
		Name: element.Name, Namespace: element.Namespace, MacRequest: element.MacRequest,
		InterfaceRequest: element.InterfaceRequest, IPRequest: element.IPRequest,
	}
	loaded, err := k8sclient.GetNetworkDelegates(a.client, pod, []*types.NetworkSelectionElement{selected}, conf, nil)
	if err != nil {
		return nil, err
	}
	delegate := loaded[0]
	recorded, err := read(box)
	if err != nil {
		return nil, err
	}
	if _, rest := split(recorded, element.InterfaceRequest); len(rest) == len(recorded) {
		if err := write(box, append(recorded, delegate)); err != nil {
			return nil, err
		}
	}
	runtime, _ := types.CreateCNIRuntimeConf(box.arguments(), k8sArgs(pod, box), element.InterfaceRequest, nil, delegate)
	// An attempt that was cut short has left what a plugin would stumble over.
	_ = multus.DelegateDel(nil, pod, delegate, runtime, conf)
	result, err := multus.DelegateAdd(nil, a.client, pod, delegate, runtime, conf)
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w", element.InterfaceRequest, err)
	}
	statuses, err := utils.CreateNetworkStatuses(result, delegate.Name, false, nil)
	if err != nil {
		return nil, err
	}
	var made []netv1.NetworkStatus
	for _, status := range statuses {
		made = append(made, *status)
	}
	return made, nil
}

func (a *attacher) detach(pod *core.Pod, box *sandbox, name string) error {
	recorded, err := read(box)
	if err != nil {
		return err
	}
	delegate, rest := split(recorded, name)
	if delegate == nil {
		return nil
	}
	runtime, _ := types.CreateCNIRuntimeConf(box.arguments(), k8sArgs(pod, box), name, nil, delegate)
	if err := multus.DelegateDel(nil, pod, delegate, runtime, a.conf()); err != nil {
		return fmt.Errorf("detach %s: %w", name, err)
	}
	return write(box, rest)
}

func (box *sandbox) arguments() *skel.CmdArgs {
	return &skel.CmdArgs{ContainerID: box.ContainerID, Netns: box.NetNS}
}

func k8sArgs(pod *core.Pod, box *sandbox) *types.K8sArgs {
	return &types.K8sArgs{
		K8S_POD_NAME:               cni.UnmarshallableString(pod.Name),
		K8S_POD_NAMESPACE:          cni.UnmarshallableString(pod.Namespace),
		K8S_POD_INFRA_CONTAINER_ID: cni.UnmarshallableString(box.ContainerID),
		K8S_POD_UID:                cni.UnmarshallableString(pod.UID),
	}
}

func (a *attacher) conf() *types.NetConf {
	conf := types.GetDefaultNetConf()
	conf.BinDir, conf.CNIDir = a.binaries, delegates
	return conf
}

// find looks up the namespace of a running pod.
func find(pod *core.Pod) (*sandbox, error) {
	paths, err := filepath.Glob(filepath.Join(sandboxes, config+"-*-eth0"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		var box sandbox
		if content, err := os.ReadFile(path); err != nil || json.Unmarshal(content, &box) != nil {
			continue
		}
		for _, argument := range box.Args {
			if argument == [2]string{"K8S_POD_UID", string(pod.UID)} {
				return &box, nil
			}
		}
	}
	return nil, fmt.Errorf("no sandbox of pod %s is known in %s", pod.UID, sandboxes)
}

func read(box *sandbox) ([]*types.DelegateNetConf, error) {
	content, err := os.ReadFile(filepath.Join(delegates, box.ContainerID))
	if err != nil {
		return nil, err
	}
	var recorded []*types.DelegateNetConf
	if err := json.Unmarshal(content, &recorded); err != nil {
		return nil, err
	}
	for _, delegate := range recorded {
		delegate.ConfListPlugin = len(delegate.ConfList.Plugins) != 0
	}
	return recorded, nil
}

func write(box *sandbox, recorded []*types.DelegateNetConf) error {
	content, err := json.Marshal(recorded)
	if err != nil {
		return err
	}
	path := filepath.Join(delegates, box.ContainerID)
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func split(recorded []*types.DelegateNetConf, name string) (found *types.DelegateNetConf, rest []*types.DelegateNetConf) {
	for _, delegate := range recorded {
		if delegate.IfnameRequest == name && found == nil {
			found = delegate
		} else {
			rest = append(rest, delegate)
		}
	}
	return found, rest
}
