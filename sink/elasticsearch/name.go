package elasticsearch

import "strings"

// indexName is the name of the index for a topic: in lower case, at most 255 characters, without the first of them if it is one that no index
// may begin with, and with dots spelled out where there is nothing else.
func indexName(topic string) string {
	name := firstRunes(strings.ToLower(topic), 255)
	if strings.HasPrefix(name, "-") || strings.HasPrefix(name, "_") {
		name = name[1:]
	}
	if name == "." || name == ".." {
		name = strings.ReplaceAll(name, ".", "dot")
	}
	return name
}

// dataStreamName is type-dataset-namespace; of the namespace, in which ${topic} is the topic in lower case, 100 characters count.
func (c *Config) dataStreamName(topic string) string {
	namespace := firstRunes(strings.ReplaceAll(c.DataStreamNamespace, "${topic}", strings.ToLower(topic)), 100)
	return strings.ToLower(c.DataStreamType) + "-" + c.DataStreamDataset + "-" + namespace
}

func firstRunes(text string, most int) string {
	for i := range text {
		if most == 0 {
			return text[:i]
		}
		most--
	}
	return text
}

// resourceName is where the records of a topic go; ok is false when a mapping of topics is configured and lacks it.
func (c *Config) resourceName(topic string) (name string, ok bool) {
	switch {
	case c.external != nil:
		name, ok = c.external[topic]
		return name, ok
	case c.dataStreams():
		return c.dataStreamName(topic), true
	}
	return indexName(topic), true
}
