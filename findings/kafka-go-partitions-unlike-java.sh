#!/usr/bin/env bash
# segmentio/kafka-go 0.4.47: its default balancer for records with a key (`&kafka.Hash{}`, FNV-1a) puts them elsewhere than Java's
# producer; `kafka.Murmur2Balancer{}` agrees with it. (A Writer without any Balancer goes round robin, keys or not.)
# Needs `go` (1.21 or later), and exits with 77 without it.
# Seen: of 1,000 keys on 8 partitions 131 are where Java puts them; with Murmur2Balancer all.
set -euo pipefail
command -v go >/dev/null || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
cat >go.mod <<'MOD'
module try

go 1.21

require github.com/segmentio/kafka-go v0.4.47
MOD
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	"github.com/segmentio/kafka-go"
)

// Java's murmur2, as in org.apache.kafka.common.utils.Utils.
func murmur2(d []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(d))
	for ; len(d) >= 4; d = d[4:] {
		k := uint32(d[0]) | uint32(d[1])<<8 | uint32(d[2])<<16 | uint32(d[3])<<24
		k *= m
		k ^= k >> 24
		h = h*m ^ k*m
	}
	for i := len(d) - 1; i >= 0; i-- {
		h ^= uint32(d[i]) << (8 * i)
		if i == 0 {
			h *= m
		}
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

func main() {
	partitions := []int{0, 1, 2, 3, 4, 5, 6, 7}
	byHash, byMurmur2 := 0, 0
	for i := 0; i < 1000; i++ {
		message := kafka.Message{Key: []byte(fmt.Sprintf("user-%d", i))}
		java := int(murmur2(message.Key)&0x7fffffff) % len(partitions)
		if (&kafka.Hash{}).Balance(message, partitions...) == java {
			byHash++
		}
		if (kafka.Murmur2Balancer{}).Balance(message, partitions...) == java {
			byMurmur2++
		}
	}
	fmt.Printf("of 1000 keys where Java puts them: Hash %d, Murmur2Balancer %d\n", byHash, byMurmur2)
	if byHash > 200 || byMurmur2 != 1000 {
		os.Exit(1)
	}
}
GO
GOFLAGS=-mod=mod go run .
