// Package javaregex runs regular expressions written for java.util.regex, which is what the options of Debezium and Kafka Connect hold.
//
// In goes an expression with Java's syntax, out come whole matches, searches and replacements with Java's meaning: \d, \w, \s and \b are
// ASCII, a dot stops at every line terminator of Unicode, ignoring case folds ASCII alone, classes are united and intersected,
// quantifiers may be possessive, groups atomic or named, and look-around and backreferences work. The expression is parsed as Java
// parses it (SyntaxError has Java's text and index) and written anew with every class spelled out. What Go's regexp can express
// runs there, in linear time; the rest runs on regexp2, which backtracks as Java does, but under a limit of time and of memory (LimitError).
//
// It lacks what Go has no tables for, and refuses it by name: \N{name}, \b{g}, blocks (\p{InGreek}), \p{IsEmoji…} and
// \p{javaMirrored}. Unicode is Go's version, not the JVM's. A Regexp may be used by several goroutines; no goroutine runs for
// it, but for regexp2's clock: an expression that could backtrack for long keeps it going for as long as its match may last, and no other does.
package javaregex
