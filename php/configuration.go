package php

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Configuration is what decides how the pool's PHP caches code and paths.
type Configuration struct {
	Worker  Worker
	Version string // of OPcache

	ValidateTimestamps     bool
	RevalidatePath         bool
	ValidateRoot           bool
	UseCwd                 bool
	RevalidateFreq         time.Duration
	FileUpdateProtection   time.Duration
	ForceRestartTimeout    time.Duration
	MemoryConsumption      int64   // bytes
	InternedStringsBuffer  int64   // bytes
	MaxAcceleratedFiles    int64   // as configured; Statistics.MaxCachedKeys is the prime that is used
	MaxWasted              float64 // ratio, 0 to 1
	MaxFileSize            int64   // bytes; 0: no limit
	JITBufferSize          int64   // bytes
	JIT                    string
	Preload, PreloadUser   string
	RestrictAPI, FileCache string
	Blacklist              []string // patterns read from opcache.blacklist_filename

	RealpathCacheSize int64 // bytes
	RealpathCacheTTL  time.Duration
	MemoryLimit       int64 // bytes; -1: none. As the agent runs, which raises it if the pool lets it
	OpenBasedir       []string
	DisableFunctions  []string
	IncludePath       string
	UserINI           string        // user_ini.filename; "": PHP reads no such files
	UserINITTL        time.Duration // how long a worker remembers one
	INI               INIFiles

	Directives map[string]string // all opcache.* as opcache_get_configuration gives them; booleans "0" or "1"
}

// INIFiles are the settings that a pool's PHP has read.
type INIFiles struct {
	Loaded  string   // php.ini; "": none
	Scanned []string // further files, in order
}

// Configuration reads the pool's settings of OPcache and of the realpath cache.
func (a *Agent) Configuration(ctx context.Context) (Configuration, error) {
	var out wireConfiguration
	worker, err := a.call(ctx, opConfiguration, nil, &out)
	if err != nil {
		return Configuration{Worker: worker}, err
	}
	return out.configuration(worker), nil
}

type wireConfiguration struct {
	Version    string          `json:"version"`
	Directives map[string]text `json:"directives"`
	Ini        map[string]text `json:"ini"`
	Blacklist  paths           `json:"blacklist"`
	Loaded     text            `json:"loaded"`
	Scanned    text            `json:"scanned"` // separated by commas and line ends
}

func (w wireConfiguration) configuration(worker Worker) Configuration {
	d := directives{}
	for name, value := range w.Directives {
		d[name] = string(value)
	}
	ini := directives{}
	for name, value := range w.Ini {
		ini[name] = string(value)
	}
	c := Configuration{
		Worker: worker, Version: w.Version, Directives: d, Blacklist: w.Blacklist,
		RealpathCacheSize: ini.bytes("realpath_cache_size"),
		RealpathCacheTTL:  ini.seconds("realpath_cache_ttl"),
		MemoryLimit:       ini.bytes("memory_limit"),
		OpenBasedir:       split(ini["open_basedir"], ":"),
		DisableFunctions:  split(ini["disable_functions"], ","),
		IncludePath:       ini["include_path"],
		UserINI:           ini["user_ini.filename"],
		UserINITTL:        ini.seconds("user_ini.cache_ttl"),
		INI:               INIFiles{Loaded: string(w.Loaded), Scanned: split(string(w.Scanned), ",")},
	}
	d.fill(&c)
	return c
}

type directives map[string]string

func (d directives) fill(c *Configuration) {
	c.ValidateTimestamps = d.flag("opcache.validate_timestamps")
	c.RevalidatePath = d.flag("opcache.revalidate_path")
	c.ValidateRoot = d.flag("opcache.validate_root")
	c.UseCwd = d.flag("opcache.use_cwd")
	c.RevalidateFreq = d.seconds("opcache.revalidate_freq")
	c.FileUpdateProtection = d.seconds("opcache.file_update_protection")
	c.ForceRestartTimeout = d.seconds("opcache.force_restart_timeout")
	c.MemoryConsumption = d.bytes("opcache.memory_consumption")
	c.InternedStringsBuffer = d.bytes("opcache.interned_strings_buffer") << 20 // the directive counts megabytes
	c.MaxAcceleratedFiles = d.bytes("opcache.max_accelerated_files")
	c.MaxWasted, _ = strconv.ParseFloat(d["opcache.max_wasted_percentage"], 64)
	c.MaxFileSize = d.bytes("opcache.max_file_size")
	c.JITBufferSize = d.bytes("opcache.jit_buffer_size")
	c.JIT = d["opcache.jit"]
	c.Preload, c.PreloadUser = d["opcache.preload"], d["opcache.preload_user"]
	c.RestrictAPI, c.FileCache = d["opcache.restrict_api"], d["opcache.file_cache"]
}

func (d directives) flag(name string) bool { return d[name] == "1" }

func (d directives) seconds(name string) time.Duration {
	return time.Duration(d.bytes(name)) * time.Second
}

// bytes reads a number with PHP's shorthand: K, M or G at the end.
func (d directives) bytes(name string) int64 {
	value := strings.TrimSpace(d[name])
	shift := 0
	if value != "" {
		switch value[len(value)-1] {
		case 'k', 'K':
			shift = 10
		case 'm', 'M':
			shift = 20
		case 'g', 'G':
			shift = 30
		}
	}
	if shift > 0 {
		value = value[:len(value)-1]
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil {
		return 0
	}
	return n << shift
}

func split(list, separator string) []string {
	var parts []string
	for _, part := range strings.Split(list, separator) {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
