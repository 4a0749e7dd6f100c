using System.Net.Http.Headers;
using Microsoft.Graph.Communications.Client.Authentication;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Tallylight.Interop;

/// <summary>Tokens from a mint for what the SDK sends; the signatures of Graph's notifications are checked against its keys.</summary>
public sealed class BotAuthentication(Tokens tokens, string app, string issuer, string jwksUri) : IRequestAuthenticationProvider
{
    private static readonly HttpClient Http = new();
    private readonly Lazy<Task<JsonWebKeySet>> keys = new(async () => new JsonWebKeySet(await Http.GetStringAsync(jwksUri)));

    public async Task AuthenticateOutboundRequestAsync(HttpRequestMessage request, string tenant) =>
        request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", await tokens.ForAsync(tenant));

    public async Task<RequestValidationResult> ValidateInboundRequestAsync(HttpRequestMessage request)
    {
        if (request.Headers.Authorization is not { Scheme: "Bearer", Parameter: { } token })
            return new RequestValidationResult { IsValid = false };
        var checkedToken = await new JsonWebTokenHandler().ValidateTokenAsync(token, new TokenValidationParameters
        {
            ValidIssuer = issuer,
            ValidAudience = app,
            IssuerSigningKeys = (await keys.Value).GetSigningKeys(),
        });
        return checkedToken.IsValid
            ? new RequestValidationResult { IsValid = true, TenantId = (string)checkedToken.Claims["tid"] }
            : new RequestValidationResult { IsValid = false };
    }
}
