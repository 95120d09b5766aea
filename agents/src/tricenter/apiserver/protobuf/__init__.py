"""The Kubernetes protobuf encoding: of requests, as typed clients send it, and of answers that are asked for so."""
