package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// memory is what a process has in memory, in KB: pages of its own, and those of files, as of its binary, that the kernel may drop.
type memory struct {
	Peak       int64 // the greatest sum there was, counted by the kernel (VmHWM)
	Anon, File int64 // now (RssAnon, RssFile)
}

// parseStatus reads /proc/PID/status: lines "VmHWM:\t   12345 kB".
func parseStatus(text []byte) (m memory, err error) {
	for name, into := range map[string]*int64{"VmHWM": &m.Peak, "RssAnon": &m.Anon, "RssFile": &m.File} {
		_, rest, found := bytes.Cut(text, []byte("\n"+name+":"))
		if !found {
			return m, fmt.Errorf("read the memory of a process: no line %s in its status", name)
		}
		fields := bytes.Fields(rest)
		if len(fields) < 2 || string(fields[1]) != "kB" {
			return m, fmt.Errorf("read the memory of a process: line %s is not a number of kB", name)
		}
		if *into, err = strconv.ParseInt(string(fields[0]), 10, 64); err != nil {
			return m, fmt.Errorf("read the memory of a process: line %s: %w", name, err)
		}
	}
	return m, nil
}

// tick is what /proc counts CPU time in: USER_HZ, which is 100 for all programs on Linux.
const tick = 10 * time.Millisecond

// Fields of /proc/PID/stat behind the program's name in parentheses, which may hold anything: proc(5) numbers utime 14 and stime 15, the first
// behind the name is number 3.
const (
	userField   = 14 - 3
	systemField = 15 - 3
)

// parseStat reads the CPU time of a process and its threads from /proc/PID/stat.
func parseStat(text []byte) (time.Duration, error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return 0, fmt.Errorf("read the CPU time of a process: its stat %q names no program", text)
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) <= systemField {
		return 0, fmt.Errorf("read the CPU time of a process: its stat has %d fields behind the name", len(fields))
	}
	var ticks int64
	for _, at := range []int{userField, systemField} {
		n, err := strconv.ParseInt(string(fields[at]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read the CPU time of a process: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// parseIO reads how many bytes a process has written, to whatever: the line wchar of /proc/PID/io.
func parseIO(text []byte) (int64, error) {
	_, rest, found := bytes.Cut(text, []byte("wchar: "))
	if !found {
		return 0, fmt.Errorf("read what a process has written: no line wchar")
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return strconv.ParseInt(string(line), 10, 64)
}

func cpuOf(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(text)
}

func memoryOf(pid int) (memory, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, err
	}
	return parseStatus(text)
}

func writtenBy(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	return parseIO(text)
}
