using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Extensions;
using Microsoft.Extensions.Logging;

namespace Tallylight.Interop;

/// <summary>The bot's calling webhook: hands requests over as they are, and passes the answer on.</summary>
public static class Notifications
{
    /// <summary>Listens on any free port of this machine; returns the origin.</summary>
    public static async Task<string> ListenAsync(Func<HttpRequestMessage, Task<HttpResponseMessage>> process)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var app = builder.Build();
        app.Run(async context =>
        {
            using var request = await ReadAsync(context.Request);
            using var response = await process(request);
            context.Response.StatusCode = (int)response.StatusCode;
            foreach (var (name, values) in response.Headers.Concat(response.Content.Headers))
                context.Response.Headers[name] = values.ToArray();
            await response.Content.CopyToAsync(context.Response.Body);
        });
        await app.StartAsync();
        return app.Urls.First();
    }

    private static async Task<HttpRequestMessage> ReadAsync(HttpRequest incoming)
    {
        var body = new MemoryStream();
        await incoming.Body.CopyToAsync(body);
        var request = new HttpRequestMessage(new HttpMethod(incoming.Method), incoming.GetEncodedUrl())
        {
            Content = new ByteArrayContent(body.ToArray()),
        };
        foreach (var (name, values) in incoming.Headers)
        {
            if (!request.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values))
                request.Content.Headers.TryAddWithoutValidation(name, (IEnumerable<string>)values);
        }
        return request;
    }
}
