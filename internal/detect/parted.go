package detect

// fewest is how many must fall silent at once to be taken for the other side of a partition.
const fewest = 3

// Parted says whether it must be the network that broke when so many of all fell silent at once: at least three, and more than half.
func Parted(silent, all int) bool { return silent >= fewest && 2*silent > all }
