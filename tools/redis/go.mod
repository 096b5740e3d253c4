module github.com/openova-io/llm-gateway/tools/redis

go 1.26.8
