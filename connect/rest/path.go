package rest

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// match compares a path. A slash behind it does not count, nor do the parameters that a URI may have in its segments, behind a semicolon. The
// error is that of a parameter of ours.
func (res *resource) match(escaped string, c *call) (bool, error) {
	want := strings.Split(strings.Trim(res.path, "/"), "/")
	got := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	for i, segment := range got {
		got[i], _, _ = strings.Cut(segment, ";")
	}
	if last := len(got) - 1; last > 0 && got[last] == "" {
		got = got[:last]
	}
	if len(want) != len(got) {
		return false, nil
	}
	var err error
	for i, segment := range want {
		text, unescapeErr := url.PathUnescape(got[i])
		switch {
		case unescapeErr != nil:
			return false, nil
		case segment == "{connector}" || segment == "{logger}" || segment == "{plugin}":
			c.name = text
		case segment == "{task}":
			var n int64
			n, err = strconv.ParseInt(text, 10, 32) // an int in Java
			c.task = int(n)
		case segment != text:
			return false, nil
		}
	}
	return true, err
}

// badHost tells a header Host that Jetty refuses, in its words: from HTTP/1.1 on there must be one, and a port must be one.
func badHost(r *http.Request) string {
	if r.Host == "" {
		if r.ProtoAtLeast(1, 1) {
			return "Blank Host"
		}
		return ""
	}
	name, port := r.Host, ""
	at := strings.LastIndexByte(name, ':')
	if at > strings.LastIndexByte(name, ']') {
		name, port = name[:at], name[at+1:]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "Bad HostPort"
		}
	}
	if name == "" || strings.HasPrefix(name, "[") != strings.HasSuffix(name, "]") {
		return "Bad HostPort"
	}
	return ""
}

// ambiguous tells paths that Jetty refuses, in its words.
func ambiguous(u *url.URL) string {
	escaped := u.EscapedPath()
	lower := strings.ToLower(escaped)
	switch {
	case strings.Contains(escaped, "//"):
		return "Ambiguous URI empty segment"
	case strings.Contains(lower, "%2f"):
		return "Ambiguous URI path separator"
	case strings.Contains(lower, "%25"):
		return "Ambiguous URI path encoding"
	case strings.ContainsAny(cmp.Or(u.RawPath, escaped), "\"<>[]^`{|}"):
		return "Illegal Path Character"
	case !utf8.ValidString(u.Path):
		return "Bad UTF-8 encoding"
	case strings.ContainsFunc(u.Path, func(c rune) bool { return c < ' ' || c == 0x7F || c == '\\' }):
		return "Suspicious Path Character"
	}
	for _, segment := range strings.Split(lower, "/") {
		if dots := strings.ReplaceAll(segment, "%2e", "."); dots != segment && (dots == "." || dots == "..") {
			return "Ambiguous URI path segment"
		}
	}
	return ""
}
