// Package launch runs the nodes of a cluster file that belong to this machine, each as a process of its own.
//
// # The model
//
// A launch owns the launch directory of its cluster file (on this machine) for as long as it lives:
//
//	DIR/ca/                     the network's CA: whoever has ca.key can admit nodes
//	DIR/nodes/NAME/identity/    a node's key, which never leaves, and its certificate
//	DIR/nodes/NAME/node.yaml    the node's whole configuration, written anew by each launch
//	DIR/nodes/NAME/{data,log}   what the node keeps, and what it says
//	DIR/clients/NAME/           the identity of whoever uses the network from here
//	DIR/launch-HOST.pid         locked by the launch that runs on this machine, gone with it
//
// [Run] enrols what is not enrolled yet and starts the brokers, then the others. A node process tells on a pipe that it is up,
// and where ([Reporter]); nothing is guessed from time that passes. One that does not come up when the launch begins ends the
// launch with its reason. One that dies later is started again, after a pause that doubles while it keeps dying.
//
//	             up                        died
//	starting ──────────▶ running ─────────────────────▶ pausing
//	   │  ▲                 │                              │
//	   │  └─────────────────┼──────────────────────────────┘
//	   │ not up, and never was                          200 ms … 10 s
//	   ▼                    ▼ the launch ends: SIGTERM, after 5 s SIGKILL
//	the launch fails      ended
//
// # What is promised
//
//   - Two launches of one file on one machine never run together: the lock is the kernel's, so a crash leaves none behind.
//   - No node outlives its launch. If the launch itself is killed, the kernel kills its nodes (Linux); elsewhere they see their
//     standard input end, and end themselves.
//   - The CA is made on one machine only, that of the first broker in the file. The others are told what to copy.
package launch
