"""What is counted, in Prometheus' terms; the one door to prometheus-client."""
