package launch_test

import "runtime"

const pdeathsig = runtime.GOOS == "linux"
