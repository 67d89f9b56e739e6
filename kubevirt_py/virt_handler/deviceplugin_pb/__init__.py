"""Messages of the kubelet's device plugin API, generated from deviceplugin.proto."""
