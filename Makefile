# Every target is a short script in hack/ that installs what it needs.
.DEFAULT_GOAL := help
.PHONY: help demo test setup check unit integration host e2e bench lock generate goldens images guests deploy \
	cluster-up cluster-down cluster-status cluster-load

help: ## show this help
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

demo: ## bring up a cluster, install, boot examples/vm.yaml and show its console
	@hack/demo
test: ## everything: lint, types, unit, integration, host and e2e tests
	@hack/test
setup: ## make the Python environment in .venv
	@hack/setup
check: setup ## lint, types and layers
	@hack/check
unit: setup ## pure tests, under a minute
	@hack/unit
integration: setup ## tests against a real kube-apiserver and etcd
	@hack/integration
host: setup ## tests with real network namespaces and a real QEMU, no cluster
	@hack/host
e2e: setup ## tests against the cluster with real guests
	@hack/e2e
bench: setup ## print the tables of figures
	@hack/bench
lock: ## compile requirements/ from pyproject.toml
	@hack/lock
generate: setup ## write manifests/ from the models
	@hack/generate
goldens: setup ## rewrite golden files; review the diff
	@hack/goldens
images: ## build the control-plane and launcher images
	@hack/images
guests: ## build the guest images
	@hack/guests/build
deploy: setup ## load images and install on the cluster
	@hack/deploy
cluster-up: ## start the embedded Kubernetes (NODES=2)
	@hack/cluster/run up --nodes $(or $(NODES),2)
cluster-down: ## remove it without a trace
	@hack/cluster/run down
cluster-status: ## show nodes, components and paths
	@hack/cluster/run status
cluster-load: ## load image archives: make cluster-load IMAGE=path.tar
	@hack/cluster/run load $(IMAGE)
