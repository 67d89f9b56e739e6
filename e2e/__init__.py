"""What a user sees: real guests on a real cluster, driven by kubectl and virtctl."""
