package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urbancompute/ucp/internal/placement"
)

// powerSupplies is where Linux tells of them. Elsewhere there is no such directory, and a machine counts as plugged in.
const powerSupplies = "/sys/class/power_supply"

// readPower notes whether there is a battery, how full it is and whether it is being drained. A supply that tells nothing is passed over: adapters of
// all kinds are listed there, and devices that are attached.
func readPower(dir string, c *placement.Capacity) error {
	c.Mains = true
	supplies, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("power: %w", err)
	}
	batteries, charge := uint32(0), uint64(0)
	for _, s := range supplies {
		at := filepath.Join(dir, s.Name())
		percent, err := strconv.ParseUint(line(at, "capacity"), 10, 8)
		if line(at, "type") != "Battery" || line(at, "scope") == "Device" || err != nil {
			continue
		}
		batteries++
		charge += min(percent, 100)
		if line(at, "status") == "Discharging" {
			c.Mains = false
		}
	}
	if batteries > 0 {
		c.Battery, c.Charge = true, uint32(charge)/batteries
	}
	return nil
}

// line is what a file of the system says, "" if it says nothing.
func line(dir, name string) string {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
