// Package cluster puts nodes together and launches them.
//
// A [Node] is one process's part in a network: an actor system with the actors of its roles, its links, its blobs and, for an executor,
// its workbench. [StartEmbedded] makes a whole network of one node for one command, [StartDev] one of several nodes to try things out on.
// Package launch runs the nodes of a cluster file, each as a process of its own.
package cluster
