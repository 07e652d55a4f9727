package config

import (
	"path/filepath"
	"strings"
)

// simpleCommands are the commands of a shell's line, as lists of words without their
// quotes. It knows no more of the shell than that takes: variables stay as they are,
// and what is redirected counts among the words.
func simpleCommands(line string) [][]string {
	s := splitter{commands: [][]string{nil}}
	escaped := false
	quote := rune(0)
	for _, c := range line {
		switch {
		case escaped:
			escaped = false
			s.letter(c)
		case c == '\\' && quote != '\'':
			escaped = true
		case c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, s.open = c, true
		case quote != '\'' && strings.ContainsRune("`()", c), quote == 0 && strings.ContainsRune(";&|\n{}", c):
			s.endCommand()
		case quote == 0 && strings.ContainsRune(" \t<>", c):
			s.endWord()
		default:
			s.letter(c)
		}
	}
	s.endCommand()
	return s.commands[:len(s.commands)-1]
}

// splitter collects words into the last of its commands.
type splitter struct {
	commands [][]string
	word     strings.Builder
	open     bool // a word has begun
}

func (s *splitter) letter(c rune) {
	s.word.WriteRune(c)
	s.open = true
}

func (s *splitter) endWord() {
	if s.open {
		last := len(s.commands) - 1
		s.commands[last] = append(s.commands[last], s.word.String())
	}
	s.word.Reset()
	s.open = false
}

func (s *splitter) endCommand() {
	s.endWord()
	if s.commands[len(s.commands)-1] != nil {
		s.commands = append(s.commands, nil)
	}
}

// prefixes run what follows them, as the same user. What runuser, su and sudo run is
// another user's, and may be his.
var prefixes = map[string]bool{"exec": true, "command": true, "nohup": true, "env": true, "time": true, "nice": true, "ionice": true,
	"timeout": true, "if": true, "then": true, "else": true, "elif": true, "while": true, "until": true, "do": true, "!": true}

// namedPrograms are the programs and scripts that a command names by absolute paths.
// Names without one are the PATH's, and scripts by relative paths the release's.
func namedPrograms(command []string) []string {
	for len(command) > 0 && (strings.Contains(command[0], "=") || prefixes[filepath.Base(command[0])]) {
		command = command[1:]
		for len(command) > 0 && (strings.HasPrefix(command[0], "-") || command[0] != "" && strings.Trim(command[0], "0123456789.smhd") == "") {
			command = command[1:] // options of a prefix
		}
	}
	if len(command) == 0 {
		return nil
	}
	var programs []string
	if filepath.IsAbs(command[0]) {
		programs = append(programs, filepath.Clean(command[0]))
	}
	if interprets(filepath.Base(command[0])) {
		programs = append(programs, namedScripts(command[1:])...)
	}
	return programs
}

func interprets(name string) bool {
	switch strings.TrimRight(name, "0123456789.") {
	case "sh", "bash", "dash", "ksh", "zsh", "php", "python", "perl", "ruby", "node", "source", "":
		return name != ""
	}
	return false
}

// namedScripts are those of an interpreter's arguments: the first that is neither an
// option nor the value of one (php -d memory_limit=-1), or the line after -c.
func namedScripts(arguments []string) []string {
	for i, word := range arguments {
		switch {
		case word == "-c" && i+1 < len(arguments):
			return programsOf(arguments[i+1 : i+2])
		case strings.HasPrefix(word, "-") || strings.Contains(word, "="):
		case filepath.IsAbs(word):
			return []string{filepath.Clean(word)}
		default:
			return nil
		}
	}
	return nil
}
