// Package fleettest holds the tests of fleets: real hosts in network namespaces, each with
// its own Apache, PHP-FPM, releases and agent, behind a balancer, with a real etcd.
package fleettest
