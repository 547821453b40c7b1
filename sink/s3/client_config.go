package s3

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"time"

	"github.com/tandem-cdc/tandem/internal/config"
)

// ClientConfig is how the server is reached, and how it keeps objects.
type ClientConfig struct {
	URL          string // "": Amazon's, of the region
	Region       string
	Bucket       string
	PathStyle    bool
	Accelerate   bool
	AccessKey    string
	SecretKey    config.Secret
	Provider     string
	RoleARN      string
	RoleSession  string
	RoleExternal string
	Retries      int
	RetryBackoff time.Duration
	ProxyURL     string
	ProxyUser    string
	ProxyPass    config.Secret
	Expect       bool // Expect: 100-continue
	Digest       bool
	ACL          string
	Encryption   string
	CustomerKey  config.Secret // base64 of 32 bytes
	KMSKey       string
}

// Credential providers, by Java's class names of both major versions of its SDK.
const (
	javaAuth1      = "com.amazonaws.auth."
	javaAuth2      = "software.amazon.awssdk.auth.credentials."
	defaultChain   = javaAuth1 + "DefaultAWSCredentialsProviderChain"
	assumeRole     = "io.confluent.connect.s3.auth.AwsAssumeRoleCredentialsProvider"
	fromChain      = "chain"
	fromEnv        = "environment"
	fromProfile    = "profile"
	fromInstance   = "instance"
	fromNobody     = "anonymous"
	fromAssumeRole = "role"
)

// providers are the classes of s3.credentials.provider.class and what stands for them here.
var providers = []struct{ class, means string }{
	{defaultChain, fromChain},
	{javaAuth2 + "DefaultCredentialsProvider", fromChain},
	{javaAuth1 + "EnvironmentVariableCredentialsProvider", fromEnv},
	{javaAuth2 + "EnvironmentVariableCredentialsProvider", fromEnv},
	{javaAuth1 + "profile.ProfileCredentialsProvider", fromProfile},
	{javaAuth2 + "ProfileCredentialsProvider", fromProfile},
	{javaAuth1 + "InstanceProfileCredentialsProvider", fromInstance},
	{javaAuth2 + "InstanceProfileCredentialsProvider", fromInstance},
	{javaAuth1 + "WebIdentityTokenCredentialsProvider", fromChain},
	{javaAuth2 + "WebIdentityTokenFileCredentialsProvider", fromChain},
	{javaAuth1 + "EC2ContainerCredentialsProviderWrapper", fromChain},
	{javaAuth2 + "ContainerCredentialsProvider", fromChain},
	{javaAuth2 + "AnonymousCredentialsProvider", fromNobody},
	{assumeRole, fromAssumeRole},
}

func defaultClientConfig() ClientConfig {
	return ClientConfig{Region: "us-west-2", PathStyle: true, Provider: defaultChain, Retries: 3, RetryBackoff: 200 * time.Millisecond, Expect: true}
}

func (c *ClientConfig) keys() config.Keys {
	in, low, high := config.Group(groupS3), config.Rank(config.Low), config.Rank(config.High)
	var classes []string
	for _, p := range providers {
		classes = append(classes, p.class)
	}
	return config.Keys{
		config.String(&c.Bucket, "s3.bucket.name", "Bucket that objects go to. It must exist.", config.Required(), high, in),
		config.String(&c.Region, "s3.region", "Region of the bucket.", config.Match(regexp.MustCompile(`[A-Za-z0-9-]+`), "a region such as eu-central-1"), in),
		config.Enum(&c.Provider, "s3.credentials.provider.class", "Where credentials come from. The default looks into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), the shared files (~/.aws, AWS_PROFILE), a web identity, and the container's or machine's role.",
			classes, config.ClassName("providers written in Java cannot be loaded."), low, in),
		config.String(&c.AccessKey, "aws.access.key.id", "Id of an access key, to be used in place of s3.credentials.provider.class.", high, in),
		config.Password(&c.SecretKey, "aws.secret.access.key", "Its secret.", config.Null(), high, in),
		config.String(&c.RoleARN, "s3.credentials.provider.sts.role.arn", "Role to take on, with "+assumeRole+".", low, in),
		config.String(&c.RoleSession, "s3.credentials.provider.sts.role.session.name", "Name of the session in that role.", low, in),
		config.String(&c.RoleExternal, "s3.credentials.provider.sts.role.external.id", "External id that the role asks for.", low, in),
		config.Enum(&c.Encryption, "s3.ssea.name", "Encryption that the server is told to apply: AES256 or aws:kms; empty: as the bucket says.", []string{"", "AES256", "aws:kms"}, low, in),
		config.Password(&c.CustomerKey, "s3.sse.customer.key", "Key of the customer for s3.ssea.name=AES256 (SSE-C): base64 of 32 bytes.", config.Null(), low, in),
		config.String(&c.KMSKey, "s3.sse.kms.key.id", "Key of the key management service for s3.ssea.name=aws:kms; empty: the account's.", low, in),
		config.Enum(&c.ACL, "s3.acl.canned", "Access that objects are given.", []string{"private", "public-read", "public-read-write", "authenticated-read", "log-delivery-write", "bucket-owner-read", "bucket-owner-full-control", "aws-exec-read"}, config.Null(), low, in),
		config.Bool(&c.Accelerate, "s3.wan.mode", "Use Amazon's accelerated endpoint.", in),
		config.Int(&c.Retries, "s3.part.retries", "Attempts after the first one of a request that fails for a reason that passes. When they are used up, the worker waits and tries the whole batch again.", 0, math.MaxInt32-1, in),
		config.Millis(&c.RetryBackoff, "s3.retry.backoff.ms", "Pause before the first such attempt, doubled before each further one.", 0, low, in),
		config.Bool(&c.PathStyle, "s3.path.style.access.enabled", "Name the bucket in the path of URLs, and not in the host.", low, in),
		config.String(&c.ProxyURL, "s3.proxy.url", "URL of an HTTP proxy to the server.", low, config.Check(checkURL), in),
		config.String(&c.ProxyUser, "s3.proxy.user", "User at the proxy.", config.Null(), low, in),
		config.Password(&c.ProxyPass, "s3.proxy.password", "Password at the proxy.", config.Null(), low, in),
		config.Bool(&c.Expect, "s3.http.send.expect.continue", "Ask the server before a large body is sent (Expect: 100-continue).", low, in),
		config.Bool(&c.Digest, "s3.send.digest", "Send the MD5 of each body, for the server to check.", low, in),
	}
}

func checkURL(text string) error {
	if text == "" {
		return nil
	}
	if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("want a URL such as http://host:9000")
	}
	return nil
}

// means is what the provider's class stands for.
func (c *ClientConfig) means() string {
	for _, p := range providers {
		if p.class == c.Provider {
			return p.means
		}
	}
	return fromChain
}

// customerKey decodes the key of SSE-C; nil without one.
func (c *ClientConfig) customerKey() ([]byte, error) {
	if c.Encryption != "AES256" || c.CustomerKey == "" {
		return nil, nil
	}
	key, err := base64.StdEncoding.DecodeString(c.CustomerKey.Reveal())
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("want base64 of 32 bytes")
	}
	return key, nil
}

// checkClient holds the client's options against each other.
func (c *Config) checkClient(r *config.Report) {
	o := &c.Client
	if (o.AccessKey == "") != (o.SecretKey == "") {
		r.Fail("aws.secret.access.key", "aws.access.key.id and aws.secret.access.key belong together: set both or none.")
	}
	if o.means() == fromAssumeRole && o.RoleARN == "" {
		r.Fail("s3.credentials.provider.sts.role.arn", "Missing configuration s3.credentials.provider.sts.role.arn: %s takes on a role", assumeRole)
	}
	if o.means() != fromAssumeRole && o.RoleARN != "" {
		r.Warn("s3.credentials.provider.sts.role.arn", "Option %q has no effect without s3.credentials.provider.class=%s.", "s3.credentials.provider.sts.role.arn", assumeRole)
	}
	if _, err := o.customerKey(); err != nil {
		r.Fail("s3.sse.customer.key", "Invalid value %s for configuration s3.sse.customer.key: %v", config.Hidden, err)
	}
	if o.CustomerKey != "" && o.Encryption != "AES256" {
		r.Warn("s3.sse.customer.key", "Option %q has no effect without s3.ssea.name=AES256.", "s3.sse.customer.key")
	}
	if o.KMSKey != "" && o.Encryption != "aws:kms" {
		r.Warn("s3.sse.kms.key.id", "Option %q has no effect without s3.ssea.name=aws:kms.", "s3.sse.kms.key.id")
	}
	if o.Accelerate && o.URL != "" {
		r.Fail("s3.wan.mode", "Invalid value true for configuration s3.wan.mode: the accelerated endpoint is Amazon's; store.url names another server")
	}
}
