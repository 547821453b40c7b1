package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// giveBackProgram gives back the pages of the program's own file (code, constants, tables) that the process has mapped. Half of the 33 MB that a
// worker has after its start are of what runs once: the initialisation of every package, the command line, the first requests. They stay in the
// page cache, where they are anyhow; what is needed again is mapped again as it is touched. So it frees no memory of the machine: it makes
// the process's resident size the size of what it uses.
func giveBackProgram() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	var failed error
	for _, m := range untouched(maps, program) {
		if _, _, code := unix.Syscall(unix.SYS_MADVISE, m.from, m.size, unix.MADV_DONTNEED); code != 0 {
			failed = errors.Join(failed, fmt.Errorf("madvise %x: %w", m.from, code))
		}
	}
	return failed
}

// region is a part of the address space.
type region struct{ from, size uintptr }

// untouched finds in the text of /proc/PID/smaps the mappings of a file that cannot be written and have no page of the process's own: a page that
// was written before it was protected, as the loader relocates, would be lost.
// Layout: a line "from-to permissions offset device inode path" a mapping, then lines "Name: value".
func untouched(smaps []byte, program string) (out []region) {
	var at region
	for line := range bytes.Lines(smaps) {
		fields := bytes.Fields(line)
		switch {
		case len(fields) >= 5 && bytes.IndexByte(fields[0], '-') > 0:
			at = region{}
			from, to, _ := bytes.Cut(fields[0], []byte("-"))
			a, errA := strconv.ParseUint(string(from), 16, 64)
			z, errZ := strconv.ParseUint(string(to), 16, 64)
			if errA == nil && errZ == nil && z > a && len(fields) == 6 && string(fields[5]) == program && !bytes.ContainsRune(fields[1], 'w') {
				at = region{uintptr(a), uintptr(z - a)}
			}
		case len(fields) >= 2 && string(fields[0]) == "Anonymous:" && string(fields[1]) == "0" && at.size > 0:
			out = append(out, at)
		}
	}
	return out
}
