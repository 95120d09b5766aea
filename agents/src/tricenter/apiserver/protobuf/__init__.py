"""Request bodies in the Kubernetes protobuf encoding, which kubectl's typed clients send (answers are always JSON)."""
