package history

import (
	"fmt"

	"github.com/urbancompute/ucp/client"
)

// EndOf is the final end that a client was told, as [Op.End] has it: "" if there is none.
func EndOf(change client.Change) string {
	v, _ := change.Job.Winner()
	switch {
	case !change.Final || v == nil:
		return ""
	case v.Result == nil:
		return v.Kind.String()
	}
	return fmt.Sprintf("%s with %x", v.Kind, v.Result.Digest[:6])
}
