package config

// FileKind is what a configuration file describes.
type FileKind string

// The kinds of files.
const (
	NodeFile    FileKind = "node"
	ClusterFile FileKind = "cluster"
)

// Checked says what a file that was found right describes.
type Checked struct {
	Kind    FileKind
	Network string
	Nodes   []Node // one for a node file
}

// Check reads the file at path, decides whether it is a node file or a cluster file, and returns what it describes, or an
// [*InvalidError] with everything that is wrong. Flags and variables play no part but for those that say where this
// machine keeps data.
func Check(path string, env Environment) (Checked, error) {
	doc, err := readDocument(path)
	if err != nil {
		return Checked{}, err
	}
	if isClusterFile(doc.root) {
		cluster, err := LoadCluster(path)
		if err != nil {
			return Checked{}, err
		}
		return Checked{Kind: ClusterFile, Network: cluster.Network, Nodes: cluster.Nodes}, nil
	}
	node, err := LoadNode(path, env.general(), nil)
	if err != nil {
		return Checked{}, err
	}
	return Checked{Kind: NodeFile, Network: node.Network, Nodes: []Node{node}}, nil
}
