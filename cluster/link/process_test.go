package link_test

const envNode = "UCP_LINK_TEST_NODE"

func playNode() int { return 0 }
