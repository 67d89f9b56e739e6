// Command provisioner makes PersistentVolumes from folders and loop devices of this machine.
//
// The parameter "kind" of a StorageClass says what a volume is:
//
//	local   a folder that belongs to the node the scheduler chose
//	shared  a folder that every node sees
//	block   a loop device that every node sees, on a sparse file of the size asked for
//
// Folders grow with their claims (grow.go); a loop device keeps its size.
//
// It runs on the host, whose files and devices the nodes share.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const (
	name           = "kubevirt-py.dev/host"
	kindAnnotation = "kubevirt-py.dev/kind"
)

type provisioner struct{ root string }

func main() {
	kubeconfig := flag.String("kubeconfig", "", "how to reach the API server")
	root := flag.String("root", "", "folder of all volumes, the same on the host and on every node")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatal(err)
	}
	followClaims(ctx, client)
	controller.NewProvisionController(
		ctx, client, name, &provisioner{root: *root},
		controller.LeaderElection(false), controller.MetricsPort(0),
	).Run(ctx)
}

// SupportsBlock tells the controller that claims of volume mode Block are welcome.
func (p *provisioner) SupportsBlock(context.Context) bool { return true }

// Provision makes the folder or loop device of a claim. It may be repeated.
func (p *provisioner) Provision(ctx context.Context, o controller.ProvisionOptions) (*core.PersistentVolume, controller.ProvisioningState, error) {
	kind := o.StorageClass.Parameters["kind"]
	if err := check(kind, o.PVC); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	path, err := p.create(ctx, kind, o)
	if err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	reach := core.NodeSelectorRequirement{Key: core.LabelOSStable, Operator: core.NodeSelectorOpIn, Values: []string{"linux"}}
	if kind == "local" {
		reach = core.NodeSelectorRequirement{Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{o.SelectedNodeName}}
	}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: o.PVName, Annotations: map[string]string{kindAnnotation: kind}},
		Spec: core.PersistentVolumeSpec{
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: o.PVC.Spec.Resources.Requests[core.ResourceStorage]},
			VolumeMode:                    o.PVC.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			MountOptions:                  o.StorageClass.MountOptions,
			PersistentVolumeSource:        core.PersistentVolumeSource{Local: &core.LocalVolumeSource{Path: path}},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{NodeSelectorTerms: []core.NodeSelectorTerm{
				{MatchExpressions: []core.NodeSelectorRequirement{reach}},
			}}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes what Provision made. It may be repeated.
func (p *provisioner) Delete(ctx context.Context, pv *core.PersistentVolume) error {
	path := p.path(pv.Annotations[kindAnnotation], pv.Name)
	if pv.Annotations[kindAnnotation] == "block" {
		devices, err := loopDevices(ctx, path)
		if err != nil {
			return err
		}
		for _, device := range devices {
			if _, err := losetup(ctx, "--detach", device); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(path)
}

func (p *provisioner) path(kind, volume string) string { return filepath.Join(p.root, kind, volume) }

func (p *provisioner) create(ctx context.Context, kind string, o controller.ProvisionOptions) (string, error) {
	path := p.path(kind, o.PVName)
	if kind != "block" {
		if err := os.MkdirAll(path, 0o777); err != nil {
			return "", err
		}
		// Past the umask: pods run under any user, as on network storage.
		return path, os.Chmod(path, 0o777)
	}
	size := o.PVC.Spec.Resources.Requests[core.ResourceStorage]
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer file.Close()
	// Loop devices count in sectors: a size that is not a multiple would be cut short.
	if err := file.Truncate((size.Value() + 4095) / 4096 * 4096); err != nil {
		return "", err
	}
	devices, err := loopDevices(ctx, path)
	if err != nil || len(devices) > 0 {
		return strings.Join(devices, ""), err
	}
	return losetup(ctx, "--find", "--show", path)
}

func check(kind string, claim *core.PersistentVolumeClaim) error {
	block := claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == core.PersistentVolumeBlock
	switch kind {
	case "block":
		if !block {
			return errors.New("this class has raw block volumes only: set volumeMode: Block")
		}
	case "local", "shared":
		if block {
			return errors.New("this class has filesystem volumes only: use class block for volumeMode Block")
		}
	default:
		return fmt.Errorf("StorageClass parameter kind is %q: must be local, shared or block", kind)
	}
	for _, mode := range claim.Spec.AccessModes {
		if kind == "local" && (mode == core.ReadWriteMany || mode == core.ReadOnlyMany) {
			return fmt.Errorf("a local volume is on one node: access mode %s needs class shared or block", mode)
		}
	}
	return nil
}

func loopDevices(ctx context.Context, file string) ([]string, error) {
	out, err := losetup(ctx, "--list", "--noheadings", "--output", "NAME", "--associated", file)
	return strings.Fields(out), err
}

func losetup(ctx context.Context, arguments ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "losetup", arguments...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("losetup %s: %w: %s", strings.Join(arguments, " "), err, text)
	}
	return text, nil
}
