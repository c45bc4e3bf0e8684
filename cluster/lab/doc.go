// Package lab runs the nodes of a network as processes on this machine, and takes them away: it kills, freezes and cuts them off, and lets them
// come back. What it runs is the real binary with real disks and sockets; specs, soaks and measurements of losses stand on it.
//
// A node's name, port, identity and data stay while its processes come and go. No process outlives the one that made the lab.
package lab
