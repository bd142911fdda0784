"""Replicas of an engine on the nodes of a Ray cluster; only the driver and the replicas, processes of their own, import Ray."""
