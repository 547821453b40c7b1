package s3

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// markName is the user metadata that tells one writing of an object from any other, for answers that get lost.
const markName = "tandem-writer"

// client is a store on a server of S3.
type client struct {
	config      ClientConfig
	customerKey []byte
	api         *s3.Client // nil until the first check
	http        *http.Client
	credentials aws.CredentialsProvider
}

// newClient prepares a client; it does not connect.
func newClient(c ClientConfig) (*client, error) {
	key, err := c.customerKey()
	if err != nil {
		return nil, err
	}
	return &client{config: c, customerKey: key}, nil
}

// connect reads the surroundings that credentials may come from, once.
func (c *client) connect(ctx context.Context) error {
	if c.api != nil {
		return nil
	}
	proxy, err := c.proxy()
	if err != nil {
		return err
	}
	options := []func(*awsconfig.LoadOptions) error{
		awsconfig.WithRegion(c.config.Region),
		awsconfig.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = uploads
			if proxy != nil {
				t.Proxy = http.ProxyURL(proxy)
			}
		})),
		awsconfig.WithRetryer(c.retryer),
		// Checksums that S3 does not ask for are sent by s3.send.digest alone: other servers refuse them.
		awsconfig.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		awsconfig.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	loaded, err := awsconfig.LoadDefaultConfig(ctx, append(options, c.provider()...)...)
	if err != nil {
		return &StoreError{Op: "read the credentials of", Bucket: c.config.Bucket, Remedy: credentialsRemedy, Err: err}
	}
	if c.config.means() == fromAssumeRole {
		loaded.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(loaded), c.config.RoleARN, func(o *stscreds.AssumeRoleOptions) {
			if c.config.RoleSession != "" {
				o.RoleSessionName = c.config.RoleSession
			}
			if c.config.RoleExternal != "" {
				o.ExternalID = aws.String(c.config.RoleExternal)
			}
		}))
	}
	if built, ok := loaded.HTTPClient.(*awshttp.BuildableClient); ok { // with what AWS_CA_BUNDLE adds; one whose connections can be closed
		c.http = &http.Client{Transport: built.GetTransport()}
		loaded.HTTPClient = c.http
	}
	c.credentials = loaded.Credentials
	c.api = s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.UsePathStyle = c.config.PathStyle && !c.config.Accelerate // the accelerated endpoint has the bucket in its host
		o.UseAccelerate = c.config.Accelerate
		if c.config.URL != "" {
			o.BaseEndpoint = aws.String(c.config.URL)
		}
		if !c.config.Expect {
			o.ContinueHeaderThresholdBytes = -1
		}
	})
	return nil
}

// proxy is the URL of s3.proxy.*; nil without one.
func (c *client) proxy() (*url.URL, error) {
	if c.config.ProxyURL == "" {
		return nil, nil
	}
	u, err := url.Parse(c.config.ProxyURL)
	if err == nil && c.config.ProxyUser != "" {
		u.User = url.UserPassword(c.config.ProxyUser, c.config.ProxyPass.Reveal())
	}
	return u, err
}

// provider says where the SDK looks for credentials.
func (c *client) provider() []func(*awsconfig.LoadOptions) error {
	use := func(p aws.CredentialsProvider) []func(*awsconfig.LoadOptions) error {
		return []func(*awsconfig.LoadOptions) error{awsconfig.WithCredentialsProvider(p)}
	}
	if c.config.AccessKey != "" {
		return use(credentials.NewStaticCredentialsProvider(c.config.AccessKey, c.config.SecretKey.Reveal(), ""))
	}
	switch c.config.means() {
	case fromNobody:
		return use(aws.AnonymousCredentials{})
	case fromInstance:
		return use(aws.NewCredentialsCache(ec2rolecreds.New()))
	case fromEnv:
		env, err := awsconfig.NewEnvConfig()
		if err == nil {
			return use(credentials.StaticCredentialsProvider{Value: env.Credentials})
		}
	case fromProfile:
		if env, err := awsconfig.NewEnvConfig(); err != nil || env.SharedConfigProfile == "" {
			return []func(*awsconfig.LoadOptions) error{awsconfig.WithSharedConfigProfile("default")}
		}
	}
	return nil
}

// retryer makes s3.part.retries further attempts.
func (c *client) retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = c.config.Retries + 1
		o.Backoff = doubling(c.config.RetryBackoff)
		o.RateLimiter = noLimit{}
	})
}

// doubling is s3.retry.backoff.ms.
type doubling time.Duration

// BackoffDelay implements retry.BackoffDelayer; attempts count from 1. A day is the longest, as in Confluent's.
func (d doubling) BackoffDelay(attempt int, _ error) (time.Duration, error) {
	const most = 24 * time.Hour
	wait := time.Duration(d)
	for ; attempt > 1 && wait < most; attempt-- {
		wait *= 2
	}
	return min(wait, most), nil
}

// noLimit lets every attempt be made: the SDK's own limiter would take them away from s3.part.retries.
type noLimit struct{}

// GetToken implements retry.RateLimiter.
func (noLimit) GetToken(context.Context, uint) (func() error, error) {
	return func() error { return nil }, nil
}

// AddTokens implements retry.RateLimiter.
func (noLimit) AddTokens(uint) error { return nil }

// close lets go of idle connections.
func (c *client) close() {
	if c.http != nil {
		c.http.CloseIdleConnections()
	}
}

func (c *client) check(ctx context.Context) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	if c.config.means() != fromNobody || c.config.AccessKey != "" {
		if _, err := c.credentials.Retrieve(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return &StoreError{Op: "find credentials for", Bucket: c.config.Bucket, Remedy: credentialsRemedy, Err: err}
		}
	}
	_, err := c.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &c.config.Bucket, MaxKeys: aws.Int32(1)})
	if err = c.fail("look into", "", err); err != nil {
		var refused *StoreError
		if errors.As(err, &refused) && refused.Code == "AccessDenied" { // writing may be allowed where reading is not
			return nil
		}
	}
	return err
}

func (c *client) put(ctx context.Context, name string, body io.ReadSeeker, size int64, o putOptions) error {
	in := &s3.PutObjectInput{Bucket: &c.config.Bucket, Key: &name, Body: body, ContentLength: &size, Metadata: map[string]string{markName: o.mark},
		ContentType: text(o.kind), ACL: types.ObjectCannedACL(c.config.ACL), ServerSideEncryption: c.encryption(), SSEKMSKeyId: c.kmsKey()}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customer()
	in.IfNoneMatch, in.IfMatch = conditions(o)
	var err error
	if in.ContentMD5, err = c.digest(body); err != nil {
		return err
	}
	_, err = c.api.PutObject(ctx, in)
	return c.settled(ctx, "write", name, o, err)
}

func (c *client) begin(ctx context.Context, name string, o putOptions) (string, error) {
	if err := c.sweep(ctx, name); err != nil {
		return "", err
	}
	in := &s3.CreateMultipartUploadInput{Bucket: &c.config.Bucket, Key: &name, Metadata: map[string]string{markName: o.mark}, ContentType: text(o.kind),
		ACL: types.ObjectCannedACL(c.config.ACL), ServerSideEncryption: c.encryption(), SSEKMSKeyId: c.kmsKey()}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customer()
	out, err := c.api.CreateMultipartUpload(ctx, in)
	if err != nil {
		return "", c.fail("begin to upload", name, err)
	}
	return aws.ToString(out.UploadId), nil
}

// sweep ends uploads of an object that were begun and never completed: they are kept, and paid for, until somebody does. Without the right to
// see them they stay.
func (c *client) sweep(ctx context.Context, name string) error {
	out, err := c.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &c.config.Bucket, Prefix: &name})
	if err != nil {
		var refused *StoreError
		if err = c.fail("list uploads of", name, err); errors.As(err, &refused) && !refused.Passes && ctx.Err() == nil {
			return nil
		}
		return err
	}
	for _, u := range out.Uploads {
		if aws.ToString(u.Key) == name {
			if err := c.abort(ctx, name, aws.ToString(u.UploadId)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *client) part(ctx context.Context, name, id string, number int32, body io.ReadSeeker, size int64) (string, error) {
	in := &s3.UploadPartInput{Bucket: &c.config.Bucket, Key: &name, UploadId: &id, PartNumber: &number, Body: body, ContentLength: &size}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customer()
	var err error
	if in.ContentMD5, err = c.digest(body); err != nil {
		return "", err
	}
	out, err := c.api.UploadPart(ctx, in)
	if err != nil {
		return "", c.fail("upload a part of", name, err)
	}
	return aws.ToString(out.ETag), nil
}

func (c *client) complete(ctx context.Context, name, id string, parts []sentPart, o putOptions) error {
	done := make([]types.CompletedPart, len(parts))
	for i := range parts {
		done[i] = types.CompletedPart{PartNumber: &parts[i].number, ETag: &parts[i].etag}
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: &c.config.Bucket, Key: &name, UploadId: &id, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customer()
	in.IfNoneMatch, in.IfMatch = conditions(o)
	_, err := c.api.CompleteMultipartUpload(ctx, in)
	return c.settled(ctx, "complete the upload of", name, o, err)
}

// settled looks whether an object that was refused is the one that was to be written: the answer to a former attempt got lost.
func (c *client) settled(ctx context.Context, op, name string, o putOptions, err error) error {
	if err = c.fail(op, name, err); err == nil {
		return nil
	}
	var refused *StoreError
	if !errors.As(err, &refused) || refused.Code != codeExists && refused.Code != codeConflict && refused.Code != codeNoUpload {
		return err
	}
	in := &s3.HeadObjectInput{Bucket: &c.config.Bucket, Key: &name}
	in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = c.customer()
	head, headErr := c.api.HeadObject(ctx, in)
	if headErr == nil && head.Metadata[markName] == o.mark {
		return nil
	}
	if refused.Code == codeExists {
		return &WrittenError{c.config.Bucket, name}
	}
	return err
}

func (c *client) abort(ctx context.Context, name, id string) error {
	_, err := c.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &c.config.Bucket, Key: &name, UploadId: &id})
	err = c.fail("abort the upload of", name, err)
	var gone *StoreError
	if errors.As(err, &gone) && gone.Code == codeNoUpload {
		return nil
	}
	return err
}

func (c *client) list(ctx context.Context, prefix, after string, limit int) ([]storedName, bool, error) {
	out, err := c.api.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &c.config.Bucket, Prefix: &prefix, StartAfter: text(after), MaxKeys: aws.Int32(int32(limit))})
	if err != nil {
		return nil, false, c.fail("list", prefix, err)
	}
	names := make([]storedName, len(out.Contents))
	for i, o := range out.Contents {
		names[i] = storedName{aws.ToString(o.Key), aws.ToString(o.ETag)}
	}
	return names, aws.ToBool(out.IsTruncated), nil
}

func (c *client) tag(ctx context.Context, name string, tags []objectTag) error {
	set := make([]types.Tag, len(tags))
	for i := range tags {
		set[i] = types.Tag{Key: &tags[i].key, Value: &tags[i].value}
	}
	_, err := c.api.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: &c.config.Bucket, Key: &name, Tagging: &types.Tagging{TagSet: set}})
	return c.fail("tag", name, err)
}

// text is nil for "".
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func conditions(o putOptions) (none, match *string) {
	switch o.condition {
	case ifNone:
		return aws.String("*"), nil
	case ifSame:
		return nil, &o.etag
	}
	return nil, nil
}

// encryption is empty for a key of the customer's, which says it all.
func (c *client) encryption() types.ServerSideEncryption {
	if c.customerKey != nil {
		return ""
	}
	return types.ServerSideEncryption(c.config.Encryption)
}

func (c *client) kmsKey() *string {
	if c.config.Encryption != "aws:kms" {
		return nil
	}
	return text(c.config.KMSKey)
}

// customer are the headers of SSE-C.
func (c *client) customer() (algorithm, key, sum *string) {
	if c.customerKey == nil {
		return nil, nil, nil
	}
	md := md5.Sum(c.customerKey)
	return aws.String("AES256"), aws.String(base64.StdEncoding.EncodeToString(c.customerKey)), aws.String(base64.StdEncoding.EncodeToString(md[:]))
}

// digest is the MD5 of a body where s3.send.digest wants it sent; the body is at its beginning again.
func (c *client) digest(body io.ReadSeeker) (*string, error) {
	if !c.config.Digest {
		return nil, nil
	}
	h := md5.New()
	if _, err := io.Copy(h, body); err != nil {
		return nil, err
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return aws.String(base64.StdEncoding.EncodeToString(h.Sum(nil))), nil
}
