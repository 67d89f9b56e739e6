package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/cloudnativelabs/kube-router/v2/pkg/utils"
	core "k8s.io/api/core/v1"
)

const inet6 = "inet6"

// familySets are the IP sets of one address family.
//
// kube-router 2.1.0 takes every set it finds for one of the family at hand, so that with two families each writes old
// contents into the other's sets; and it names IPv6 sets with a prefix that its rules leave out. Here a family sees its
// own sets only, and all names are plain: they are hashes over the family and clash with no other.
type familySets struct {
	*utils.IPSet
	family string
	wanted map[string]wantedSet
}

type wantedSet struct {
	kind    string
	entries [][]string
}

func newFamilySets(family core.IPFamily) (*familySets, error) {
	sets, err := utils.NewIPSet(false)
	name := "inet"
	if family == core.IPv6Protocol {
		name = inet6
	}
	return &familySets{IPSet: sets, family: name, wanted: map[string]wantedSet{}}, err
}

// RefreshSet notes what a set should hold; Restore makes it so.
func (s *familySets) RefreshSet(name string, entries [][]string, kind string) {
	s.wanted[name] = wantedSet{kind, entries}
}

// Restore swaps every set noted since the last call for one with the wanted entries.
func (s *familySets) Restore() error {
	var script strings.Builder
	for name, set := range s.wanted {
		options := fmt.Sprintf("%s family %s timeout 0", set.kind, s.family)
		fresh := "NEW-" + strings.TrimPrefix(name, "KUBE-")
		fmt.Fprintf(&script, "create %s %s\ncreate %s %s\nflush %s\n", name, options, fresh, options, fresh)
		for _, entry := range set.entries {
			fmt.Fprintf(&script, "add %s %s\n", fresh, strings.Join(entry, " "))
		}
		fmt.Fprintf(&script, "swap %s %s\ndestroy %s\n", fresh, name, fresh)
	}
	clear(s.wanted)
	command := exec.Command("ipset", "restore", "-exist")
	command.Stdin = strings.NewReader(script.String())
	var complaint bytes.Buffer
	command.Stderr = &complaint
	if err := command.Run(); err != nil {
		return fmt.Errorf("ipset restore: %w: %s", err, complaint.String())
	}
	return nil
}

// Sets returns the sets of this family that the last Save found in the kernel.
func (s *familySets) Sets() map[string]*utils.Set {
	own := map[string]*utils.Set{}
	for name, set := range s.IPSet.Sets() {
		if slices.Contains(set.Options, inet6) == (s.family == inet6) {
			own[name] = set
		}
	}
	return own
}
